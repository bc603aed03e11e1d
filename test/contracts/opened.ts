/** A fresh, empty store. It is cleaned up when the test that asked for it ends. */
export interface Opened<Store> {
  readonly store: Store;
  /** The same store as one more process sees it. */
  another(): Promise<Store>;
}

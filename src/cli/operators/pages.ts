interface Page {
  readonly nextPageToken: string;
}

/** Everything of a list, page by page. */
export async function pages<P extends Page, T>(
  read: (page: { pageSize: number; pageToken: string }) => Promise<P>,
  itemsOf: (page: P) => readonly T[],
): Promise<T[]> {
  const all: T[] = [];
  let pageToken = "";
  do {
    const page = await read({ pageSize: 100, pageToken });
    all.push(...itemsOf(page));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return all;
}

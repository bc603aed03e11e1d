import type { ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus";
import { closedInTime } from "../../helpers/closed-in-time.ts";

/**
 * Receives the next message. The receiver requests no other until this is called again, so a connection that is made
 * anew while a message is handled brings no second one. Undefined once `signal` aborts.
 */
export function receiveOne(
  receiver: ServiceBusReceiver,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<ServiceBusReceivedMessage | undefined> {
  return new Promise((resolve) => {
    const subscription = receiver.subscribe(
      {
        async processMessage(message) {
          signal.removeEventListener("abort", stop);
          // Closed before this returns, which would request another message.
          subscription.close().catch(onError);
          resolve(message);
        },
        async processError({ error }) {
          if (!signal.aborted) onError(error);
        },
      },
      { maxConcurrentCalls: 1, autoCompleteMessages: false, abortSignal: signal },
    );
    async function stop(): Promise<void> {
      // A message that was on its way still comes, and is handed over.
      await closedInTime(subscription.close());
      resolve(undefined);
    }
    signal.addEventListener("abort", stop, { once: true });
  });
}

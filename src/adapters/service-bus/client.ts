import { DefaultAzureCredential } from "@azure/identity";
import { ServiceBusClient, type ServiceBusClientOptions } from "@azure/service-bus";

export type Access = { readonly connectionString: string } | { readonly namespace: string };

/** How long one try waits for an answer. Settling finds out by this timeout that its link is gone. */
const options: ServiceBusClientOptions = {
  retryOptions: { timeoutInMs: 5000, maxRetries: 2, retryDelayInMs: 250, maxRetryDelayInMs: 4000, mode: 0 },
};

/** One connection for a process; connects to nothing yet. */
export function createClient(access: Access): ServiceBusClient {
  return "connectionString" in access
    ? new ServiceBusClient(access.connectionString, options)
    : new ServiceBusClient(access.namespace, new DefaultAzureCredential(), options);
}

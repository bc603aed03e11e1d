import { queueContract } from "../contracts/queue.ts";
import { serviceBusQueueHarness } from "./service-bus-harness.ts";

queueContract("Service Bus", serviceBusQueueHarness);

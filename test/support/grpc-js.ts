import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";

const asItIs = (bytes: Buffer) => bytes;

/** What a procedure refuses a call with, as gRPC's own client for Node understands it; rejects when it answers. */
export async function refusalByGrpcJs(url: string, path: string, message: Uint8Array): Promise<ServiceError> {
  const client = new Client(new URL(url).host, credentials.createInsecure());
  try {
    return await new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, asItIs, asItIs, Buffer.from(message), new Metadata(), (error) =>
        error === null ? reject(new Error("the call was not refused")) : resolve(error),
      );
    });
  } finally {
    client.close();
  }
}

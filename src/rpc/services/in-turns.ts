import type { HandlerContext } from "@connectrpc/connect";
import type { UseCases } from "../../core/use-cases.ts";
import { Turns } from "../../helpers/turns.ts";
import { ownerOf } from "../../model/call.ts";
import { ownerIdOf } from "../../model/principal.ts";
import { callOf } from "../call.ts";
import { cutShort } from "./cut-short.ts";

type Answering<Asked, Answer> = (request: Asked, context: HandlerContext) => Promise<Answer>;

/**
 * For calls whose answers take the event loop for as long as hundreds of small ones: those of one caller are answered one
 * after the other, with what others ask for in between. Who has left meanwhile, or may not call any more, gets none.
 */
export function inTurns({ authentication }: UseCases) {
  const turns = new Turns();
  return <Asked, Answer>(answer: Answering<Asked, Answer>): Answering<Asked, Answer> =>
    (request, context) => {
      const call = callOf(context);
      // Their process answers nobody else.
      if (call.isOperator === true) return answer(request, context);
      const caller = ownerOf(call);
      return turns.take([ownerIdOf(caller)], async (hasWaited) => {
        if (hasWaited) {
          if (context.signal.aborted) throw cutShort(context.signal, "the server stops; call again");
          await authentication.confirm(caller);
        }
        return answer(request, context);
      });
    };
}

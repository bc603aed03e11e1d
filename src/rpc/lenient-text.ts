import type { DescField, DescMessage, DescService } from "@bufbuild/protobuf";

/**
 * Lets bytes that are no UTF-8 through as U+FFFD, which the model's rules refuse by the field's name. Otherwise the
 * binary formats answer them with `internal`, while JSON lets them through in any case. Acts on the descriptors of this
 * process, before their first use.
 */
export function decodeTextLeniently(service: DescService): void {
  for (const { input } of service.methods) relax(input);
}

function relax(message: DescMessage): void {
  for (const field of message.fields) {
    if (field.fieldKind === "scalar" && "utf8Validation" in field) {
      (field as { -readonly [K in keyof DescField]: unknown } & { utf8Validation: boolean }).utf8Validation = false;
    }
  }
}

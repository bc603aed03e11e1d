#!/usr/bin/env node
import type { DescEnum, DescField, DescMessage, DescMethod, DescService } from "@bufbuild/protobuf";
import { createEcmaScriptPlugin, type GeneratedFile, getComments, runNodeJs, type Schema } from "@bufbuild/protoplugin";

/** Writes docs/api.md from the protos' own comments. */
runNodeJs(createEcmaScriptPlugin({ name: "protoc-gen-api-docs", version: "v1", generateTs: generate }));

function generate(schema: Schema): void {
  const doc = schema.generateFile("api.md");
  const files = schema.files.filter(({ proto }) => proto.package.startsWith("darkroom."));
  doc.print("# API");
  doc.print();
  doc.print("Made from the protos by `npm run generate`. The same calls work as gRPC, gRPC-Web and Connect, and,");
  doc.print("unless a stream answers, as JSON: `POST /PACKAGE.SERVICE/METHOD`, with the request's fields in");
  doc.print("lowerCamelCase or as here. Unknown fields and enum names are ignored, as in all of protobuf's formats.");
  doc.print();
  for (const service of files.flatMap(({ services }) => services)) {
    doc.print(`- ${link(service.typeName)}: ${service.methods.map(({ name }) => link(name)).join(", ")}`);
  }
  for (const file of files) {
    for (const service of file.services) printService(doc, service);
    const ofMethods = new Set(
      file.services.flatMap(({ methods }) => methods.flatMap(({ input, output }) => [input, output])),
    );
    const shared = file.messages.filter((message) => !ofMethods.has(message));
    if (shared.length + file.enums.length === 0) continue;
    doc.print();
    doc.print(`## Messages of ${file.proto.package}`);
    for (const message of shared) printMessage(doc, message);
    for (const type of file.enums) printEnum(doc, type);
  }
}

function printService(doc: GeneratedFile, service: DescService): void {
  doc.print();
  doc.print(`## ${service.typeName}`);
  doc.print();
  doc.print(textOf(service));
  for (const method of service.methods) printMethod(doc, method);
}

/** With its request and its response, whose own comments say no more than that they are. */
function printMethod(doc: GeneratedFile, method: DescMethod): void {
  const { name, input, output, methodKind } = method;
  doc.print();
  doc.print(`### ${name}`);
  doc.print();
  doc.print(textOf(method));
  printFields(doc, input, `\`${input.name}\``);
  printFields(doc, output, `${methodKind === "server_streaming" ? "A stream of " : ""}\`${output.name}\``);
  for (const nested of input.nestedMessages.concat(output.nestedMessages)) printMessage(doc, nested);
}

function printMessage(doc: GeneratedFile, message: DescMessage): void {
  doc.print();
  doc.print(`### ${nameOf(message.typeName)}`);
  doc.print();
  doc.print(textOf(message));
  printFields(doc, message);
  for (const nested of message.nestedMessages) printMessage(doc, nested);
  for (const type of message.nestedEnums) printEnum(doc, type);
}

/** `title` stands above them. */
function printFields(doc: GeneratedFile, { fields }: DescMessage, title?: string): void {
  if (title !== undefined) {
    doc.print();
    doc.print(fields.length > 0 ? `${title}:` : `${title} is empty.`);
  }
  if (fields.length === 0) return;
  doc.print();
  doc.print("| field | type | meaning |");
  doc.print("|---|---|---|");
  for (const field of fields) doc.print(`| ${field.name} | ${typeOf(field)} | ${cell(field)} |`);
}

function printEnum(doc: GeneratedFile, type: DescEnum): void {
  doc.print();
  doc.print(`### ${nameOf(type.typeName)}`);
  doc.print();
  doc.print(textOf(type));
  doc.print();
  doc.print("| value | meaning |");
  doc.print("|---|---|");
  for (const value of type.values) doc.print(`| ${value.name} | ${cell(value)} |`);
}

type Commented = DescService | DescMethod | DescMessage | DescField | DescEnum | DescEnum["values"][number];

function textOf(type: Commented): string {
  const lines = (getComments(type).leading ?? "").split("\n");
  return lines
    .map((line) => line.replace(/^ /, ""))
    .join("\n")
    .trim();
}

function cell(type: Commented): string {
  return textOf(type).replaceAll("\n", " ").replaceAll("|", "\\|");
}

function typeOf(field: DescField): string {
  const { typeName, type, proto3Optional } = field.proto;
  const name = typeName.startsWith(".darkroom.") ? link(nameOf(typeName.slice(1))) : typeName.split(".").pop();
  const label = field.fieldKind === "list" ? "repeated " : proto3Optional ? "optional " : "";
  const choice = field.oneof === undefined ? "" : "; one of these";
  return label + (name || scalarNames[type] || "") + choice;
}

/** Within its package: a nested one has its message before it. */
function nameOf(typeName: string): string {
  return typeName.replace(/^(?:[a-z]\w*\.)+/, "");
}

/** To a heading of this page. */
function link(heading: string): string {
  return `[${heading}](#${heading.toLowerCase().replaceAll(".", "")})`;
}

const scalarNames: Readonly<Record<number, string>> = {
  1: "double",
  3: "int64",
  4: "uint64",
  5: "int32",
  8: "bool",
  9: "string",
  12: "bytes",
  13: "uint32",
};

/** Functions that do what the driver is told of them. */
import { toJson } from "@bufbuild/protobuf";
import { ToolCallSchema, ToolError, type ToolFunction } from "@sluice/client";

import type { FunctionOrder } from "./order.js";
import { write } from "./report.js";

/** What a function throws that was told to break. */
export class Broken extends Error {}

export function functionOf(order: FunctionOrder): ToolFunction {
  const { name, description, input_schema_json: inputSchemaJson, returns, fails, breaks } = order;
  return {
    name,
    description,
    inputSchemaJson,
    run(call) {
      write({ called: toJson(ToolCallSchema, call) });
      if (fails !== undefined) throw new ToolError(fails);
      if (breaks !== undefined) throw new Broken(breaks);
      return returns ?? "";
    },
  };
}

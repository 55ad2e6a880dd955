import type { JsonValue } from "@bufbuild/protobuf";

/** What the driver is told to do; tests/e2e/clients/README.md says what it means. */
export interface Order {
  connect: {
    address: string;
    token?: string;
    tls?: { ca?: string; cert?: string; key?: string };
  };
  call: string;
  request?: JsonValue;
  metadata?: Record<string, string>;
  timeout_ms?: number;
  cancel_after?: number;
  pause_after?: number;
  functions?: FunctionOrder[];
  max_turns?: number;
  service?: string;
}

/** A function for a run of tools, with one of `returns`, `fails` and `breaks`. */
export interface FunctionOrder {
  name: string;
  description: string;
  input_schema_json: string;
  returns?: string;
  fails?: string;
  breaks?: string;
}

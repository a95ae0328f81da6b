// Reads a JSON array of TraceQL queries from standard input and prints, for each, where Grafana's own grammar stumbles.

import { readFileSync } from "node:fs";

import { parser } from "@grafana/lezer-traceql";

const queries = JSON.parse(readFileSync(0, "utf8"));
const faults = queries.map((query) => {
  const places = [];
  parser.parse(query).iterate({
    enter(node) {
      if (node.type.isError) places.push(node.from);
    },
  });
  return places;
});
console.log(JSON.stringify(faults));

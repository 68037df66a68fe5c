"use strict";
// Reads one call a line from standard input, makes it with the SDK, and writes its answer as one line.
// A call without a service asks which methods there are. {"$date": text} stands for a Date.
const readline = require("node:readline");
const { BlnkInit } = require("@blnkfinance/blnk-typescript");

const logger = { info() {}, error() {}, debug() {} };
const revive = (key, value) => (value && value.$date ? new Date(value.$date) : value);
const own = object => Object.getOwnPropertyNames(Object.getPrototypeOf(object));

function methods(client) {
  const services = own(client).filter(name => /^[A-Z]/.test(name));
  return Object.fromEntries(services.map(name => [name, own(client[name]).filter(each => each !== "constructor")]));
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { key, baseUrl, service, method, args } = JSON.parse(line, revive);
    const client = BlnkInit(key, { baseUrl, logger });
    const answer = service ? await client[service][method](...args) : methods(client);
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
}

main();

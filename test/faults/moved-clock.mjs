// test/faults/moved-clock.mjs: loaded into every thread of a gateway: moves the wall clock by the milliseconds that a file holds; a second number says for how long. The monotonic one is left alone.

import { readFileSync } from 'node:fs';

const file = process.env.CLOCK_FILE ?? '';
const RealDate = Date;
const real = Date.now.bind(Date);
let told = '';
let by = 0;
let until = Infinity;
const moved = () => (performance.now() < until ? by : 0);
const read = () => {
  const text = readFileSync(file, 'utf8');
  if (text === told) return;
  told = text;
  const [ms, forMs] = text.split(' ').map(Number);
  by = ms;
  until = forMs === undefined ? Infinity : performance.now() + forMs;
};
read();
setInterval(read, 5).unref();

globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length === 0 ? [real() + moved()] : args));
  }
  static now() {
    return real() + moved();
  }
};

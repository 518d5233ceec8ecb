// test/admin/channel-tests.test.ts: how often a channel may be tested.

import request from 'supertest';
import { expect, test } from 'vitest';
import { startReceiver } from '../alert/receiver.ts';
import { hookTo } from '../alert/scene.ts';
import { settings } from '../observe/gateway.ts';
import { adminGateway } from './gateway.ts';

test('each channel may be tested five times a minute, whatever is asked of the others', async () => {
  const receiver = await startReceiver();
  const gateway = await adminGateway({ alerts: { ...settings().alerts, privateAddresses: true, channels: [hookTo(receiver, { id: 'one' }), hookTo(receiver, { id: 'two' })] } });
  const ask = async (channel: string, more: { print?: boolean } = {}): Promise<number> => (await request(gateway.port.app).post('/api/alerts/test').send({ channel, ...more })).status;
  try {
    for (let n = 0; n < 5; n++) expect(await ask('one')).toBe(200);
    const refused = await request(gateway.port.app).post('/api/alerts/test').send({ channel: 'one' });
    expect([refused.status, refused.body.error.code, refused.body.error.message]).toEqual([429, 'too_many_tests', '5 tests a minute are enough for a channel, and one has had them.']);
    expect(await ask('two')).toBe(200);
    expect(await ask('one', { print: true })).toBe(200);
    for (let n = 0; n < 6; n++) expect(await ask('nobody')).toBe(404);
    gateway.clock.wall += 60_000;
    expect(await ask('one')).toBe(200);
    expect(receiver.received).toHaveLength(7);
  } finally {
    await gateway.close();
    await receiver.close();
  }
});

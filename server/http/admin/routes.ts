// server/http/admin/routes.ts: every route of the admin port, in one table.

import { z } from 'zod';
import { openApi } from './openapi.ts';
import { json, type Route } from './route.ts';
import { alertRoutes } from './routes-alerts.ts';
import { keyRoutes } from './routes-keys.ts';
import { moneyRoutes } from './routes-money.ts';
import { operationRoutes } from './routes-operation.ts';
import { ruleRoutes } from './routes-rules.ts';
import { savingRoutes } from './routes-savings.ts';
import { statementRoutes } from './routes-statement.ts';
import { usageRoutes } from './routes-usage.ts';
import { NoQuery } from './wire.ts';

export const ROUTES: readonly Route[] = [
  ...usageRoutes,
  ...ruleRoutes,
  ...alertRoutes,
  ...moneyRoutes,
  ...statementRoutes,
  ...savingRoutes,
  ...keyRoutes,
  ...operationRoutes,
  json({
    method: 'get',
    path: '/api/openapi.json',
    role: 'read',
    summary: 'This document.',
    query: NoQuery,
    name: 'OpenApi',
    answer: z.record(z.string(), z.unknown()),
    handle: ({ services }) => openApi(ROUTES, services.version),
  }),
];

// web/pages/requests/zone-name.ts: the short name of the zone that the list's times are in.

import { zoneName as nameAt } from '../../format.ts';
import { zone } from '../../state/period.ts';

export { zone };
export const zoneName = (instant: string): string => nameAt(Date.parse(instant), zone.value);

import { AlarmAction, AlarmType, type Etcd3, type IAlarmMember, type IStatusResponse } from 'etcd3';
import { type Clock, pause } from '../../../shared/clock.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Log } from '../../../shared/log.ts';
import { createEtcdClient, type EtcdEndpoint, type EtcdTls } from './client.ts';

/** How often the database's size is checked. */
const everyMs = 10_000;
/** The least time between two defragmentations: etcd blocks during one. */
const againMs = 60_000;
/** The part of the quota beyond which history is kept only from one check to the next. */
const tight = 0.5;
/** A defragmentation takes about a second for each 100 MB, in which etcd serves nothing. */
const defragmentMs = 120_000;

export interface EtcdSpaceDeps {
  readonly endpoints: readonly EtcdEndpoint[];
  readonly tls?: EtcdTls;
  /** The quota of an etcd that the server runs, in bytes: it is defragmented and its alarm disarmed. Absent: an operator's etcd. */
  readonly quota?: number;
  readonly everyMs?: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Absent: one for these endpoints; closed at the end. */
  readonly client?: Etcd3;
}

/**
 * Keeps etcd's database within its quota: history makes it larger than the stored objects. Beyond half of the quota history is
 * compacted at once. An etcd without space refuses all writes but deletions until it is compacted and defragmented and the alarm
 * disarmed (etcd's maintenance guide, "Space quota"). Never throws.
 */
export async function keepEtcdSpace(deps: EtcdSpaceDeps, signal: AbortSignal): Promise<void> {
  const { clock, log } = deps;
  const client = deps.client ?? createEtcdClient(deps.endpoints, deps.tls);
  let seen = 0;
  try {
    while (!signal.aborted) {
      let wait = deps.everyMs ?? everyMs;
      try {
        const { alarms } = await client.maintenance.alarm({ action: AlarmAction.Get }, within(clock));
        const status = await client.maintenance.status(within(clock));
        const revision = Number(status.header.revision);
        const full = alarms.filter(({ alarm }) => alarm.toUpperCase() === 'NOSPACE');
        if (full.length > 0) {
          await clear(client, revision, full, deps);
          wait = deps.everyMs ?? againMs;
        } else if (deps.quota && seen > 0 && usedBytes(status) > tight * deps.quota) {
          await compact(client, seen, clock);
        }
        seen = revision;
      } catch (error) {
        if (!signal.aborted) log.warn({ err: messageOf(error) }, 'the space of etcd could not be looked after');
      }
      await pause(clock, wait, signal);
    }
  } finally {
    client.close();
  }
}

async function clear(
  client: Etcd3,
  revision: number,
  full: readonly IAlarmMember[],
  { clock, log, quota }: EtcdSpaceDeps,
): Promise<void> {
  await compact(client, revision, clock);
  if (!quota) {
    const advice = 'defragment its members and end the alarm (etcdctl defrag; etcdctl alarm disarm)';
    log.error({ rev: revision }, `etcd has exceeded its space quota and takes no writes: ${advice}`);
    return;
  }
  log.error({ rev: revision }, 'etcd has exceeded its space quota: its history is forgotten and its space given back');
  await client.maintenance.defragment({ deadline: clock.now() + defragmentMs });
  for (const { memberID } of full) {
    const request = { action: AlarmAction.Deactivate, memberID, alarm: AlarmType.Nospace };
    await client.maintenance.alarm(request, within(clock));
  }
  log.info({ bytes: usedBytes(await client.maintenance.status(within(clock))) }, 'etcd takes writes again');
}

/** The used part of the database; its free part is used again before it grows. */
function usedBytes({ dbSizeInUse, dbSize }: IStatusResponse): number {
  return Number(dbSizeInUse) || Number(dbSize);
}

async function compact(client: Etcd3, revision: number, clock: Clock): Promise<void> {
  try {
    await client.kv.compact({ revision, physical: true }, { deadline: clock.now() + defragmentMs });
  } catch (error) {
    if (!messageOf(error).includes('has been compacted')) throw error;
  }
}

function within(clock: Clock): { deadline: number } {
  return { deadline: clock.now() + 5_000 };
}

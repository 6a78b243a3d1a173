import type { PeerCertificate } from 'node:tls';
import type { CertifiedNode } from '../shared/session.ts';
import { isGood, nodeNameOf, readCertificate } from './api/auth/authentication.ts';
import {
  createHeartbeatListener,
  type HeartbeatListener,
  type HeartbeatListenerDeps,
} from './liveness/heartbeat-listener.ts';

/** The port of the heartbeats, with the cluster's rule for nodes' certificates. */
export function createHeartbeatPort(deps: Omit<HeartbeatListenerDeps, 'nodeOf'>): HeartbeatListener {
  return createHeartbeatListener({ ...deps, nodeOf });
}

function nodeOf(certificate: PeerCertificate, now: number): CertifiedNode | undefined {
  const read = readCertificate(certificate);
  if (!read?.identity || !isGood(read, now)) return undefined;
  const node = nodeNameOf(read.identity);
  return node === undefined ? undefined : { node, until: read.notAfter };
}

#!/bin/sh
# The first process of a container of deploy/docker-compose.yml. The argument is its role: etcd, server or agent.
set -eu

data=/var/lib/coracle
# A volume of all of the cluster's containers: the server writes there only what a node needs to join.
join=/join
here=/opt/coracle/deploy
rest_port=6443
grpc_port=6444
join_deadline_seconds=120

main() {
  role=$1
  mkdir -p "$data/log" "$data/run"
  rm -f "$data"/run/*
  case $role in
    etcd) run_etcd ;;
    server) run_server ;;
    agent) run_agent ;;
    *) echo "compose-entry: $role is none of etcd, server, agent" >&2 && exit 64 ;;
  esac
}

run_etcd() {
  exec etcd --data-dir "$data/etcd" --listen-client-urls http://0.0.0.0:2379 --advertise-client-urls http://etcd:2379
}

run_server() {
  # By its name on the nodes' network: the container is on etcd's as well.
  address=$(address_of api.coracle)
  offer_join &
  exec coracle server --data-dir "$data" --etcd-endpoints http://etcd:2379 \
    --rest-listen "0.0.0.0:$rest_port" --grpc-listen "0.0.0.0:$grpc_port" --advertise-address "$address,api.coracle" \
    --pod-cidr "${POD_CIDR:-10.244.0.0/16}" --log-level "${LOG_LEVEL:-info}"
}

# Writes a join token and the CA's hash once the server answers.
offer_join() {
  tries=0
  export KUBECONFIG="$data/admin.kubeconfig"
  until [ -f "$KUBECONFIG" ] && token=$(coracle token create --ttl 24h 2>"$data/log/join.log"); do
    tries=$((tries + 1))
    if [ $tries -ge "$join_deadline_seconds" ]; then
      cat "$data/log/join.log" >&2
      return 1
    fi
    sleep 1
  done
  # An older version left an administrator's access there.
  rm -f "$join/kubeconfig"
  umask 077
  ca_hash "$data/pki/ca.crt" >"$join/ca-hash"
  printf '%s\n' "$token" >"$join/token.new"
  mv "$join/token.new" "$join/token"
}

run_agent() {
  # SIGTERM ends all processes at once; the state of engine and agent is on the volume.
  trap 'exit 0' TERM INT
  prepare_machine
  name=$(cat /proc/sys/kernel/hostname)
  sh "$here/supervise.sh" engine "$data" dockerd --config-file "$data/daemon.json" &
  tries=0
  until [ -f "$join/token" ]; do
    tries=$((tries + 1))
    [ $tries -lt $((join_deadline_seconds * 10)) ] || { echo 'compose-entry: nothing to join with' >&2 && exit 1; }
    sleep 0.1
  done
  sh "$here/supervise.sh" agent "$data" coracle agent --server "api.coracle:$grpc_port" \
    --token-file "$join/token" --ca-hash "$(cat "$join/ca-hash")" --node-name "$name" --node-address "$(address_of "$name")" \
    --data-dir "$data/agent" --runtime docker --docker-socket "$data/docker.sock" --log-level "${LOG_LEVEL:-info}" &
  # The agent's log is the container's. Waiting also reaps orphans.
  tail -n +1 -F "$data/log/agent.log" 2>/dev/null &
  while :; do wait; sleep 1; done
}

# Gives the container writable cgroups, and removes the remains of the last boot.
prepare_machine() {
  # The outer engine mounts these read-only. (Compose 1 has no option for systempaths=unconfined.)
  mount -o remount,rw /sys 2>/dev/null || true
  if mountpoint -q /proc/sys; then mount -o remount,rw,bind /proc/sys; fi
  mount -o remount,rw /sys/fs/cgroup 2>/dev/null || true
  for group in /sys/fs/cgroup/*; do
    if [ -d "$group" ] && mountpoint -q "$group"; then mount -o remount,rw "$group" 2>/dev/null || mount -o remount,rw,bind "$group"; fi
  done
  if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    # Version 2: a group with processes cannot delegate controllers to its children.
    mkdir -p /sys/fs/cgroup/init
    for pid in $(cat /sys/fs/cgroup/cgroup.procs); do echo "$pid" >/sys/fs/cgroup/init/cgroup.procs 2>/dev/null || true; done
    for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
      echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true
    done
  fi
  for setting in ip_forward=1 conf/all/rp_filter=0 conf/default/rp_filter=0 conf/eth0/rp_filter=0; do
    echo "${setting#*=}" >"/proc/sys/net/ipv4/${setting%=*}"
  done
  runtime=
  if command -v crun >/dev/null; then
    runtime="\"default-runtime\": \"crun\", \"runtimes\": {\"crun\": {\"path\": \"$(command -v crun)\"}},"
  fi
  cat >"$data/daemon.json" <<JSON
{
  $runtime
  "hosts": ["unix://$data/docker.sock"],
  "data-root": "$data/docker",
  "exec-root": "/run/docker",
  "pidfile": "/run/docker.pid",
  "exec-opts": ["native.cgroupdriver=cgroupfs"],
  "oom-score-adjust": 0,
  "live-restore": true,
  "bridge": "none",
  "iptables": false,
  "userland-proxy": false
}
JSON
}

address_of() {
  node -e 'require("node:dns").lookup(process.argv[1], { family: 4 }, (error, address) => {
    if (error) { console.error(error.message); process.exit(1); }
    console.log(address);
  })' "$1"
}

# As kubeadm has it: SHA-256 of the CA's public key. The argument: its certificate, a PEM file.
ca_hash() {
  node -e 'const { X509Certificate, createHash } = require("node:crypto");
    const ca = require("node:fs").readFileSync(process.argv[1]);
    const key = new X509Certificate(ca).publicKey.export({ type: "spki", format: "der" });
    console.log(`sha256:${createHash("sha256").update(key).digest("hex")}`);' "$1"
}

main "$@"

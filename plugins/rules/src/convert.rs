//! Converts a flow of the host to a flow of the rules, once for all rules.

use ctwarden_rules as rules;
use ctwarden_sdk::prelude::*;

pub(crate) fn flow(flow: &Flow<'_>) -> rules::Flow {
    rules::Flow {
        kind: kind(Entry::kind(flow)),
        id: flow.id(),
        zone: flow.zone(),
        protocol: flow.protocol(),
        original: ends(flow.original()),
        reply: ends(flow.reply()),
        status: flow.status().map(|status| status.0),
        state: flow.state(),
        timeout: flow.timeout(),
        mark: flow.mark(),
        original_volume: flow.original_counters().map(volume),
        reply_volume: flow.reply_counters().map(volume),
        started: flow.started().map(|time| time.0),
        stopped: flow.stopped().map(|time| time.0),
        now: flow.now().0,
    }
}

const fn ends(ends: Endpoints) -> rules::Ends {
    rules::Ends { src: ends.src, dst: ends.dst, src_port: ends.src_port, dst_port: ends.dst_port }
}

const fn volume(counters: Counters) -> rules::Volume {
    rules::Volume { packets: counters.packets, bytes: counters.bytes }
}

const fn kind(kind: Kind) -> rules::Kind {
    match kind {
        Kind::Row => rules::Kind::Row,
        Kind::New => rules::Kind::New,
        Kind::Update => rules::Kind::Update,
        Kind::Destroy => rules::Kind::Destroy,
    }
}

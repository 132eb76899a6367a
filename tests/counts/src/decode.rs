//! Reading the bytes of a dump, as the kernel fills a read with them, as views and as values.
//!
//! Every entry of every sweep and every event costs this first.

use std::hint::black_box;

use anyhow::{Result, ensure};
use ctwarden_model::{EventKind, Flow};
use ctwarden_wire::{Content, FlowView, Messages, Origin, write_entry};

use crate::{Prepared, flows};

const ROWS: usize = 1_000;

pub(crate) fn view() -> Result<Prepared> {
    each(|flow| (flow.id(), flow.mark(), flow.status(), flow.timeout()).0.is_some())
}

pub(crate) fn rows() -> Result<Prepared> {
    let flows = flows::mixed(ROWS);
    let mut decoded: Vec<Flow> = Vec::new();
    entries(&dump(&flows), |flow| decoded.extend(flow.to_flow().ok()));
    ensure!(decoded == flows, "what was written is not what is read");
    each(|flow| black_box(flow.to_flow()).is_ok())
}

fn each(mut held: impl FnMut(&FlowView<'_>) -> bool + 'static) -> Result<Prepared> {
    let bytes = dump(&flows::mixed(ROWS));
    Prepared::new(ROWS, move || {
        let mut count = 0;
        entries(black_box(&bytes), |flow| count += usize::from(held(black_box(flow))));
        count
    })
}

fn entries(bytes: &[u8], mut each: impl FnMut(&FlowView<'_>)) {
    for message in Messages::new(bytes).flatten() {
        if let Content::Conntrack(entry) = message.content() {
            each(&entry.flow);
        }
    }
}

fn dump(flows: &[Flow]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for flow in flows {
        write_entry(&mut bytes, Origin::default(), EventKind::Row, flow);
    }
    bytes
}

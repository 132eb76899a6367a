//! Encoding of requests, and of the program in front of the event socket.
//!
//! Each flow that a verdict hits needs a request. Filters become bytes once for each sweep or set of plugins.

use std::hint::black_box;

use anyhow::Result;
use ctwarden_model::{FlowKey, Masked, Update};
use ctwarden_wire::{EventFilter, KernelFilter, request};

use crate::{Prepared, flows, matching};

const REQUESTS: usize = 1_000;

pub(crate) fn delete() -> Result<Prepared> {
    each(|buffer, key| request::delete(buffer, 1, false, key))
}

pub(crate) fn mark() -> Result<Prepared> {
    let mark = Some(Masked::new(0x10, 0xf0)?);
    each(move |buffer, key| {
        request::update(buffer, 1, false, &Update { key: *key, mark, labels: None, timeout: None });
    })
}

fn each(write: impl Fn(&mut Vec<u8>, &FlowKey) + 'static) -> Result<Prepared> {
    let keys: Vec<FlowKey> = flows::mixed(REQUESTS).iter().map(|flow| flow.key()).collect();
    let mut buffer = Vec::new();
    Prepared::new(REQUESTS, move || {
        buffer.clear();
        let written = |key| {
            let before = buffer.len();
            write(&mut buffer, black_box(key));
            buffer.len() > before
        };
        keys.iter().map(written).filter(|written| *written).count()
    })
}

pub(crate) fn dump() -> Result<Prepared> {
    let filters = matching::eight()?;
    let mut buffer = Vec::new();
    Prepared::new(filters.len(), move || {
        buffer.clear();
        for filter in &filters {
            request::dump(&mut buffer, 1, &KernelFilter::of(black_box(filter)));
        }
        filters.len()
    })
}

pub(crate) fn event_program() -> Result<Prepared> {
    let mut filters = matching::eight()?;
    filters.truncate(4);
    Prepared::new(1, move || usize::from(black_box(EventFilter::of(black_box(&filters))).is_some()))
}

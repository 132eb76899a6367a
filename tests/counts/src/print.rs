//! Printing of dump entries in each form of a list, through one buffer.

use std::hint::black_box;

use anyhow::Result;
use ctwarden_format::{EventContext, PrintOptions};
use ctwarden_model::{Flow, Timestamp};

use crate::{Prepared, flows};

const ROWS: usize = 1_000;

pub(crate) fn text() -> Result<Prepared> {
    let options = PrintOptions::plain(Timestamp(0));
    each(move |out, flow| ctwarden_format::text::flow(out, flow, &EventContext::ROW, &options))
}

pub(crate) fn xml() -> Result<Prepared> {
    let options = PrintOptions::plain(Timestamp(0));
    each(move |out, flow| ctwarden_format::xml::flow(out, flow, &EventContext::ROW, &options))
}

pub(crate) fn save() -> Result<Prepared> {
    each(|out, flow| ctwarden_format::save::flow(out, flow, &EventContext::ROW, None))
}

pub(crate) fn json() -> Result<Prepared> {
    each(|out, flow| ctwarden_format::json::flow(out, flow, &EventContext::ROW, None))
}

fn each(write: impl Fn(&mut Vec<u8>, &Flow) + 'static) -> Result<Prepared> {
    let flows = flows::mixed(ROWS);
    let mut out = Vec::new();
    Prepared::new(ROWS, move || {
        out.clear();
        let written = |flow| {
            let before = out.len();
            write(&mut out, black_box(flow));
            out.len() > before
        };
        flows.iter().map(written).filter(|written| *written).count()
    })
}

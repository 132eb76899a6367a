//! Reading of printed dump entries.

use std::hint::black_box;

use anyhow::{Context, Result};
use ctwarden_format::read::Legend;
use ctwarden_format::{EventContext, PrintOptions, read};
use ctwarden_model::{Flow, Timestamp};

use crate::{Prepared, flows};

const LINES: usize = 1_000;

pub(crate) fn text() -> Result<Prepared> {
    let options = PrintOptions { id: true, ..PrintOptions::plain(Timestamp(0)) };
    each(|out, flow| ctwarden_format::text::flow(out, flow, &EventContext::ROW, &options))
}

pub(crate) fn json() -> Result<Prepared> {
    each(|out, flow| ctwarden_format::json::flow(out, flow, &EventContext::ROW, None))
}

fn each(write: impl Fn(&mut Vec<u8>, &Flow)) -> Result<Prepared> {
    let line = |flow: &Flow| {
        let mut out = Vec::new();
        write(&mut out, flow);
        String::from_utf8(out).context("a row is not UTF-8")
    };
    let lines = flows::mixed(LINES).iter().map(line).collect::<Result<Vec<_>>>()?;
    Prepared::new(LINES, move || {
        let is_read = |line: &&String| black_box(read::line(black_box(line), &Legend::PLAIN)).is_ok();
        lines.iter().filter(is_read).count()
    })
}

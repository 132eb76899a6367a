//! A sweep through ten rules of the bundled policy `rules`, compared with the bare cost of receiving the same dump.
//!
//! Every rule evaluates its condition for every entry, and no rule leads to a verdict. Two rules look up addresses in
//! sets.

use anyhow::Result;

use super::Line;
use super::bundled::{Sweep, sweep_beside_bare};
use crate::options::Options;
use crate::policies;
use crate::row::Row;

pub(crate) const LINE: Line = Line {
    name: "rules",
    title: "every entry through ten rules of the policy `rules`, beside the bare cost of receiving",
    measure,
};

fn measure(options: &Options, tell: &mut dyn FnMut(Row)) -> Result<()> {
    let configuration = policies::ten_rules(options)?;
    sweep_beside_bare(options, tell, &Sweep { configuration, policies: 1, through: "ten rules", goal: 1.5 })
}

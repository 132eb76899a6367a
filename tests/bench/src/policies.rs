//! The plugins as the lines configure them.

use anyhow::Result;
use ctwarden_tests::Policy;

use crate::options::Options;

/// A budget that no line uses up, because the benchmark does not measure limits.
const UNBOUNDED: &str = "verdicts-per-second = 100000000\ntable-share-per-minute = 100\nalerts-per-second = 1000";

fn policy(options: &Options, name: &str, component: &str) -> Result<Policy> {
    let path = options.component(component)?;
    let path = path.with_extension("");
    Ok(Policy::new(name, &path.display().to_string()).enforce().of("budget", UNBOUNDED))
}

/// The policy that counts what it judges, under the name `tally`.
pub(crate) fn tally(options: &Options, config: &str) -> Result<Policy> {
    let allow = "allow = [\"delete\", \"mark\", \"log\", \"sweep\"]\nmark-mask = 0xffffffff";
    Ok(policy(options, "tally", "guest-tally")?.key(allow).config(config))
}

/// The bundled policy that ends flows of banned addresses, under the name `ban`.
pub(crate) fn ban_follower(options: &Options, config: &str) -> Result<Policy> {
    let allow = "allow = [\"delete\", \"alert\", \"sweep\"]";
    Ok(policy(options, "ban", "ban-follower")?.key(allow).config(config))
}

/// The three bundled policies. Their configurations make them look at every flow and change none.
pub(crate) fn bundled(options: &Options, entries: u64) -> Result<String> {
    let ban = ban_follower(options, "")?;
    let cap = policy(options, "cap", "connection-cap")?
        .key("allow = [\"alert\", \"sweep\"]")
        .of("limits", "memory = \"1GiB\"")
        .config(&format!("limit = {}\nmax-connections = {}", u32::MAX, entries.saturating_mul(2)));
    let mark = policy(options, "mark", "mark-by-service")?.key("allow = [\"mark\"]\nmark-mask = 0x80000000").config(
        "[[plugin.config.rules]]\nname = \"none\"\nprotocols = [\"tcp\"]\nports = [9]\nmark = \"0x80000000/0x80000000\"\n\
         [plugin.config.default]\nmark = \"0x0/0x80000000\"",
    );
    Ok(format!("{ban}{cap}{mark}"))
}

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

/// Ten rules that change no flow: the bit of the mark is 0 already.
pub(crate) fn ten_rules(options: &Options) -> Result<String> {
    let conditions = [
        "when = 'flow.dst_port == 22'",
        "when = 'flow.dst_port in [22, 80, 443, 8080, 8443]'",
        "when = 'flow.src in \"10.0.0.0/8\"'",
        "match = { original-dst = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '203.0.113.0/24'] }",
        "when = 'flow.src in sets.banned'",
        "when = 'sets.countries[flow.src] in [\"RU\", \"KP\"]'",
        "when = 'math.bitAnd(flow.mark, 0x0f) == 3 && flow.status.assured && !flow.status.dying'",
        "match = { protocols = ['tcp'], states = ['ESTABLISHED'] }\nwhen = 'flow.timeout < duration(\"10m\")'",
        "match = { protocols = ['tcp'], dst-ports = ['1-30000'] }\nwhen = 'now.getHours(\"+01:00\") >= 7'",
        "when = 'flow.dst_port == 53 || flow.dst_port == 853'",
    ];
    let rule = |(number, condition): (usize, &&str)| {
        format!(
            "[[plugin.config.rule]]\nname = \"r{number}\"\n{condition}\non = [\"row\"]\n\
             then = {{ mark = \"0x0/0x80000000\" }}\n"
        )
    };
    let rules: String = conditions.iter().enumerate().map(rule).collect();
    let sets = "[sets.banned]\nentries = [\"192.0.2.0/24\"]\n\
                [sets.countries]\nentries = [\"198.51.100.0/24 DE\", \"203.0.113.0/24 RU\"]\n";
    let policy = policy(options, "rules", "rules")?
        .key("allow = [\"mark\", \"sweep\"]\nmark-mask = 0x80000000\nread-sets = [\"banned\", \"countries\"]")
        .config(&rules);
    Ok(format!("{sets}{policy}"))
}

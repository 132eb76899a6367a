//! The page of the conntrack command: the content of its grammar's tables, and text that no table contains.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use ctwarden_format::command::{Argument, COMMANDS};

use super::words::{Word, words};

/// Paragraphs of a section without options.
type Prose = (&'static str, &'static [&'static str]);

const DESCRIPTION: &[&str] = &[
    "Lists, changes and watches the kernel's conntrack table and its table of expectations. Commands, options, \
     messages and exit statuses are those of conntrack 1.4.9. The program conntrack, ctwarden conntrack, and a link \
     named conntrack to ctwarden are the same command; the program conntrack starts fastest. Deliberate differences \
     are listed below.",
    "A table may follow the command: conntrack (the default) or expect, and after -L also dying and unconfirmed. The \
     name of a table may be abbreviated. Options may come in any order, letters may be joined, and an unknown word \
     that is not an option is ignored.",
];

const EXIT: &[(&str, &str)] = &[
    ("0", "Success. A list without entries is a success, too."),
    (
        "1",
        "A failure. Also: -D, -U or -G found no matching entry; -L --from could not read a line; -o save has no line \
         for an entry; or entries may be missing, because the hash table was resized during each reading.",
    ),
    ("2", "The command line is invalid."),
    ("3", "Only with --exit-code: no entry matched. Status 1 then always means a failure."),
];

const DIFFERENCES: &[&str] = &[
    "-E -b sets the receive buffer of the socket from which events are read. If events are lost, the command reports \
     how many may be missing and how to avoid it, and continues.",
    "-F -f ipv6 deletes only IPv6 entries, and -F -f ipv4 only IPv4 entries.",
    "-o save keeps mark, labels, helper and all other attributes that a new entry can have, so that -R creates the \
     same table again. An entry that -R could not create (an offloaded flow, which has no timeout; an SCTP flow with \
     unknown tags) is left out, counted and named on standard error, and the exit status is 1.",
    "-L, -D and -U notice when the hash table is resized (net.netfilter.nf_conntrack_buckets) while they read it. The \
     kernel then silently skips entries. The commands read the table again, at most ten times, and process each entry \
     once. With -z, an entry is shown again if its counters have counted since. Two cases go unnoticed: a resize and \
     the resize back within a single read of the kernel, by two programs at the same time; and any resize if that file \
     cannot be read.",
    "-R names the line at which it fails. As in 1.4.9, earlier lines are executed and later lines are not. Entries \
     with a master are created last.",
    "-o xml uses SCTP's own names for the states of SCTP.",
    "-D and -U also name each entry by its id: a newer entry that has taken the place of the listed one is never \
     deleted.",
    "-U -m passes value and mask to the kernel, so bits that other programs set at the same moment are kept.",
    "-u with !BIT or UNREPLIED also works with -D, and together with bits that must be set: conntrack -D -u UNREPLIED \
     deletes only the flows without a reply.",
    "-n, -g and -j with an IPv6 address select that address, not every translated IPv6 entry; -D deletes no more than \
     that.",
    "-L dying also selects by networks, and its XML is a complete document.",
    "-l, --label-add and --label-del apply to every label of a list, and accept #BIT for a label without a name.",
    "Filters by mark, status, zone, family and IPv4 address run in the kernel if it supports them. Filters by IPv6 \
     address never do, because the kernel inverts them (seen up to Linux 6.18).",
];

const JSON: &[&str] = &[
    "-o json prints one object per line, with exactly the attributes that the kernel sent: unknown attributes are left \
     out. Names never change their meaning. Some of them: event (new, update, destroy), id, family, protocol, zone, \
     state, timeout, status, original and reply (each with src, dst, src_port, dst_port or the protocol's equivalent, \
     packets, bytes), mark, labels, started_ns, stopped_ns, helper, master. -L --from reads this JSON, too.",
];

const FROM: &[&str] = &[
    "-L --from FILE reads entries from a file or from standard input (-) instead of the kernel. It reads the text of \
     this command with or without extended, saved lines, JSON, and the text of /proc/net/nf_conntrack: one entry per \
     line, in any mixture. Every filter and every output format works as on the kernel's table. Events stay events, \
     and a saved -U or -D line is an event. Fields, flags and words of vendors are ignored, and so is the summary \
     after a list. An unreadable line is reported by its number and skipped; after the first twenty such lines, only \
     their count is reported. A line of more than 64 KiB, or a hundred thousand unreadable lines in a row, ends the \
     reading with a failure.",
];

const EXAMPLES: &[(&str, &str)] = &[
    ("conntrack -L -p tcp --dport 22 --state ESTABLISHED", "Established connections to port 22."),
    (
        "conntrack -L -o json | jq -r 'select(.original.bytes > 1e9) | .original.src'",
        "Sources that sent more than a gigabyte.",
    ),
    (
        "conntrack -D -s 198.51.100.0/24 --exit-code",
        "Delete every entry of a network; the exit status tells whether an entry matched.",
    ),
    ("conntrack -E -e NEW,DESTROY -o timestamp -b 8388608", "Watch connections begin and end, with room for bursts."),
    ("conntrack -U -p udp --dport 53 -m 0x10/0xff", "Mark DNS flows, and leave other bits of their marks alone."),
    ("conntrack -L -o save > table; conntrack -R table", "Save the table, and create it again."),
    (
        "ssh gateway cat /proc/net/nf_conntrack | conntrack -L --from - -f ipv6",
        "List IPv6 entries of a host that does not have this program.",
    ),
];

const DELETE_IS_NOT_KILL: &[&str] = &[
    "Deleting an entry does not end its connection: if the rules accept its next packet, the kernel creates the entry \
     again (nf_conntrack_tcp_loose). Block first, then delete.",
    "With -D, -t does not select entries, as in 1.4.9: conntrack -D -t 5 deletes every entry.",
    "Connections are not tracked in a network namespace until a rule there uses tracking; ctwarden doctor shows it.",
];

/// The page, in roff.
pub(super) fn page(source: &str) -> String {
    let mut roff = Roff::new();
    roff.control("TH", ["ctwarden-conntrack", "1", "", source, "ctwarden"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("ctwarden-conntrack, conntrack - list, change and watch the conntrack table")]);
    roff.control("SH", ["SYNOPSIS"]);
    for called in ["conntrack", "ctwarden conntrack"] {
        roff.text([
            bold(called),
            roman(" "),
            italic("COMMAND"),
            roman(" ["),
            italic("TABLE"),
            roman("] ["),
            italic("OPTION"),
            roman("...]"),
        ]);
        roff.control("br", []);
    }
    roff.text([bold("conntrack -R"), roman(" "), italic("FILE")]);
    prose(&mut roff, ("DESCRIPTION", DESCRIPTION));
    roff.control("SH", ["COMMANDS"]);
    for command in COMMANDS {
        let names = format!("-{}, --{}", command.short, command.long);
        item(&mut roff, [bold(names), roman(" "), italic(command.usage)], [roman(command.help)]);
    }
    let help = "Execute the saved lines of a file or of standard input (-), in order";
    item(&mut roff, [bold("-R, --load-file"), roman(" "), italic("FILE")], [roman(help)]);
    options(&mut roff);
    roff.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in EXIT {
        item(&mut roff, [bold(*status)], [roman(*meaning)]);
    }
    prose(&mut roff, ("JSON", JSON));
    prose(&mut roff, ("READING FROM A FILE", FROM));
    roff.control("SH", ["DIFFERENCES FROM CONNTRACK 1.4.9"]);
    for difference in DIFFERENCES {
        roff.control("IP", ["\\(bu", "2"]);
        roff.text([roman(*difference)]);
    }
    roff.control("PP", []);
    roff.text([roman("Options that 1.4.9 lacks are marked New above.")]);
    prose(&mut roff, ("NOTES", DELETE_IS_NOT_KILL));
    roff.control("SH", ["EXAMPLES"]);
    for (line, meaning) in EXAMPLES {
        item(&mut roff, [bold(*line)], [roman(*meaning)]);
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("ctwarden"), roman("(1), "), bold("ctwarden-doctor"), roman("(1), "), bold("nft"), roman("(8)")]);
    roff.to_roff()
}

fn prose(roff: &mut Roff, (title, paragraphs): Prose) {
    roff.control("SH", [title]);
    for paragraph in paragraphs {
        roff.control("PP", []);
        roff.text([roman(*paragraph)]);
    }
}

fn item<const N: usize, const M: usize>(roff: &mut Roff, head: [Inline; N], body: [Inline; M]) {
    roff.control("TP", []);
    roff.text(head);
    roff.text(body);
}

fn options(roff: &mut Roff) {
    let words = words();
    let mut headings: Vec<&str> = Vec::new();
    for word in &words {
        if !headings.contains(&word.heading) {
            headings.push(word.heading);
        }
    }
    roff.control("SH", ["OPTIONS"]);
    for heading in headings {
        roff.control("SS", [heading]);
        for word in words.iter().filter(|word| word.heading == heading) {
            let mut head = vec![bold(names(word))];
            match word.argument {
                Argument::None => {}
                Argument::Required(value) => head.extend([roman(" "), italic(value)]),
                Argument::Optional(value) => head.extend([roman(" ["), italic(value), roman("]")]),
            }
            roff.control("TP", []);
            roff.text(head);
            roff.text([roman(format!("{}. {}", word.help_line(), takers(word)))]);
        }
    }
}

fn names(word: &Word) -> String {
    let letter = word.short.map(|letter| format!("-{letter}"));
    let names: Vec<String> = letter.into_iter().chain(word.long.iter().map(|name| format!("--{name}"))).collect();
    names.join(", ")
}

/// The commands that accept the word.
fn takers(word: &Word) -> String {
    let list =
        |title: &str, commands: &[String]| (!commands.is_empty()).then(|| format!("{title} {}", commands.join(", ")));
    let parts = [
        list("required by", &word.required),
        list("required together with its other end, in at least one direction, by", &word.paired),
        list("accepted by", &word.optional),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let text = if parts.is_empty() { "accepted by no command".to_owned() } else { parts.join("; ") };
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.{}", letters.as_str(), if word.ours { " New." } else { "" })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use ctwarden_format::command::{OPTIONS, PROTOCOLS};

    use super::*;
    use crate::witness::skip;

    fn escaped(name: &str) -> String {
        format!("--{name}").replace('-', "\\-")
    }

    #[test]
    fn every_command_and_option_of_the_tables_is_on_the_page() {
        let page = page("ctwarden 0");
        let commands = COMMANDS.iter().map(|command| command.long);
        let options = OPTIONS.iter().flat_map(|option| option.long.iter().copied());
        let of_protocols = PROTOCOLS.iter().flat_map(|protocol| protocol.options).flat_map(|option| option.long);
        for name in commands.chain(options).chain(of_protocols.copied()) {
            assert!(page.contains(&escaped(name)), "{name}");
        }
        for help in OPTIONS.iter().map(|option| option.help) {
            let begin: String = help.chars().take_while(|letter| letter.is_alphanumeric() || *letter == ' ').collect();
            assert!(page.contains(begin.trim()), "{help}");
        }
    }

    #[test]
    fn it_says_which_commands_take_an_option() {
        let words = words();
        let told = |name: &str| takers(words.iter().find(|word| word.name() == name).unwrap());
        assert_eq!(told("zero"), "Accepted by -L.");
        assert!(
            told("src")
                .starts_with("Required by -I expect, -D expect, -G expect; required together with its other end,"),
            "{}",
            told("src")
        );
        assert!(told("from").ends_with(" New."), "{}", told("from"));
        assert_eq!(told("nat-range"), "Accepted by no command.");
    }

    #[test]
    fn groff_finds_nothing_to_warn_about() {
        let groff = Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-b"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut groff) = groff else {
            return skip("groff is not installed");
        };
        groff.stdin.take().unwrap().write_all(page("ctwarden 0").as_bytes()).unwrap();
        let output = groff.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // Debian's minimal groff has no devices; it reports that and prints nothing.
        if said.contains("can't open") || said.contains("cannot load") {
            return skip(&format!("groff is not complete here: {said}"));
        }
        assert!(output.status.success() && said.is_empty(), "{said}");
        // Headings are printed in bold, letter by letter.
        assert!(String::from_utf8_lossy(&output.stdout).contains("Established connections to port 22."));
    }
}

//! The page of the conntrack command: the content of its grammar's tables, and text that no table contains.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use ctwarden_format::command::{Argument, COMMANDS};

use super::words::{Word, words};

/// Paragraphs of a section without options.
type Prose = (&'static str, &'static [&'static str]);

const DESCRIPTION: &[&str] = &[
    "Shows, changes and watches the kernel's table of tracked connections and the table of expectations. Commands, \
     options, texts and exit statuses are those of conntrack 1.4.9. The program conntrack, ctwarden conntrack and a link \
     of the name conntrack to ctwarden are the same command; the first starts fastest. What differs on purpose is told below.",
    "A table may follow the command: conntrack (the default) or expect, and behind -L also dying and unconfirmed; a \
     name may be cut short. Words may stand in any order, letters may be joined, and a word that is nothing known is \
     ignored.",
];

const EXIT: &[(&str, &str)] = &[
    ("0", "Done. A list that shows nothing is done, too."),
    (
        "1",
        "Something failed; or -D, -U or -G found no entry that matches; -L --from met a line that it cannot read; -o save has \
         no line for an entry; or entries may have been passed over, because the hash table was resized all the time.",
    ),
    ("2", "The words make no sense together."),
    ("3", "Only with --exit-code: nothing matched. 1 then means that something failed, and nothing else."),
];

const DIFFERENCES: &[&str] = &[
    "-E -b sizes the socket that events are read from. Where events are lost all the same, it says so and how many may \
     be missing, names the way out, and goes on.",
    "-F -f ipv6 deletes the entries of IPv6 only, -F -f ipv4 those of IPv4 only.",
    "-o save keeps mark, labels, helper and what else an entry can be made with, so that -R makes the same table of \
     it. An entry that -R could not make (an offloaded flow, which has no timeout; SCTP of which the tags are not known) is \
     left out, counted and named on standard error, and the exit status is 1.",
    "-L, -D and -U notice that the hash table is resized (net.netfilter.nf_conntrack_buckets) while they read it. The kernel \
     then passes entries over and does not say so. They read it again, ten times at most, and meet each entry once. With -z an \
     entry comes again where its counters have counted since. A resize and the resize back within a single read of the \
     kernel, by two programs at the same time, cannot be noticed, nor can any where that file cannot be read.",
    "-R names the line at which it ends. As with 1.4.9, what stands before that line is done, and what stands behind it is not. \
     Entries that others expected are made last.",
    "-o xml names states of SCTP from SCTP's own list.",
    "-D and -U name each entry by its id as well: an entry that has taken the place of the one that was listed is \
     never deleted.",
    "-U -m hands value and mask to the kernel, so that bits which others set at the same moment stay.",
    "-u with !BIT or UNREPLIED counts with -D as well, and beside bits that must be set: conntrack -D -u UNREPLIED deletes \
     the flows without an answer, not all.",
    "-n, -g and -j with an IPv6 address mean that address, and not every entry of IPv6 that is translated; -D deletes no \
     more than that.",
    "-L dying selects by networks as well, and its XML is a whole document.",
    "-l, --label-add and --label-del mean every label of a list, and take #BIT for a label without a name.",
    "Filters by mark, status, zone, family and IPv4 address run in the kernel where it knows them; those by IPv6 \
     address never do, because the kernel inverts them (seen up to Linux 6.18).",
];

const JSON: &[&str] = &[
    "-o json prints one object a line, with every attribute that the kernel gave and nothing else: what is not known \
     is left out. Names never change their meaning. Among them: event (new, update, destroy), id, family, protocol, \
     zone, state, timeout, status, original and reply (each with src, dst, src_port, dst_port or what its protocol has \
     instead, packets, bytes), mark, labels, started_ns, stopped_ns, helper, master. What -L --from reads it reads \
     from JSON as well.",
];

const FROM: &[&str] = &[
    "-L --from FILE reads entries from a file instead of the kernel, or from standard input (-): the text of this \
     command with or without extended, saved lines, JSON, and the text of /proc/net/nf_conntrack, one entry a line in \
     any mixture. Every filter and every output works as it does on the kernel's table. Events stay events, and a saved -U or -D \
     line is one. Fields, flags and words of vendors are passed over, and so is what the command says behind a list. A \
     line that cannot be read is named by its number and skipped; after the first twenty there is a number. A line of more than \
     64 KiB, or a hundred thousand lines in a row that are none, end the reading.",
];

const EXAMPLES: &[(&str, &str)] = &[
    ("conntrack -L -p tcp --dport 22 --state ESTABLISHED", "Established connections to port 22."),
    ("conntrack -L -o json | jq -r 'select(.original.bytes > 1e9) | .original.src'", "Who sent more than a gigabyte."),
    (
        "conntrack -D -s 198.51.100.0/24 --exit-code",
        "Delete every entry of a network; the status tells whether there were any.",
    ),
    ("conntrack -E -e NEW,DESTROY -o timestamp -b 8388608", "Watch connections begin and end, with room for bursts."),
    ("conntrack -U -p udp --dport 53 -m 0x10/0xff", "Mark DNS flows, and leave other bits of their marks alone."),
    ("conntrack -L -o save > table; conntrack -R table", "Keep the table, and make it again."),
    (
        "ssh gateway cat /proc/net/nf_conntrack | conntrack -L --from - -f ipv6",
        "Look through the table of a host without this program.",
    ),
];

const DELETE_IS_NOT_KILL: &[&str] = &[
    "Deleting an entry does not end its connection: where the rules accept it, its next packet makes the entry again \
     (nf_conntrack_tcp_loose). Block first, then delete.",
    "With -D, -t selects nothing, as in 1.4.9: conntrack -D -t 5 deletes every entry.",
    "Tracking is off in a network namespace until a rule there uses it; ctwarden doctor tells.",
];

/// The page, in roff.
pub(super) fn page(source: &str) -> String {
    let mut roff = Roff::new();
    roff.control("TH", ["ctwarden-conntrack", "1", "", source, "ctwarden"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("ctwarden-conntrack, conntrack - list, change and watch the connection tracking table")]);
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
    let help = "Carry out the saved lines of a file, or of standard input (-), one after the other";
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
    roff.text([roman("Options that 1.4.9 lacks are marked as new above.")]);
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

/// The commands that take the word.
fn takers(word: &Word) -> String {
    let list =
        |title: &str, commands: &[String]| (!commands.is_empty()).then(|| format!("{title} {}", commands.join(", ")));
    let parts = [
        list("needed by", &word.required),
        list("needed in one direction at least, with its other end, by", &word.paired),
        list("taken by", &word.optional),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let text = if parts.is_empty() { "taken by no command".to_owned() } else { parts.join("; ") };
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
        assert_eq!(told("zero"), "Taken by -L.");
        assert!(
            told("src").starts_with("Needed by -I expect, -D expect, -G expect; needed in one direction"),
            "{}",
            told("src")
        );
        assert!(told("from").ends_with(" New."), "{}", told("from"));
        assert_eq!(told("nat-range"), "Taken by no command.");
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

//! The intended differences from Debian's `conntrack`, each with its reason.
//!
//! Each line of this list must really differ, and in the described way. Otherwise the test fails, so the list never
//! hides a fault and never outlives its reason.

use ctwarden_tests::Said;

use super::grid::Part;

/// The reason why two programs may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Debian 12 has 1.4.7; our program follows 1.4.9. Checked only if the original is 1.4.7.
    Older,
    /// A defect that came after 1.4.7. Checked only if the original is another version.
    Newer,
    /// A defect of the original that our program does not copy.
    Defect,
    /// A text that no program parses: the help.
    Words,
}

/// Command lines that differ for one reason.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) part: Part,
    pub(super) kind: Kind,
    pub(super) why: &'static str,
    /// Text in the original's answer that ours lacks. Empty if there is no such text.
    theirs: &'static str,
    /// Text in our answer that the original's lacks. Empty if there is no such text.
    ours: &'static str,
    pub(super) lines: &'static [&'static str],
}

impl Known {
    pub(super) fn has(&self, line: &str) -> bool {
        self.lines.contains(&line)
    }

    /// Whether the answers differ in the described way.
    pub(super) fn shows(&self, theirs: &Said, ours: &Said) -> bool {
        let says = |said: &Said, words: &str| said.out.contains(words) || said.err.contains(words);
        (self.theirs.is_empty() || says(theirs, self.theirs) && !says(ours, self.theirs))
            && (self.ours.is_empty() || says(ours, self.ours) && !says(theirs, self.ours))
    }
}

pub(super) const KNOWN: &[Known] = &[
    Known {
        part: Part::Legality,
        kind: Kind::Words,
        why: "the help is in our own words",
        theirs: "Command line interface for the connection tracking system",
        ours: "",
        lines: &["-h -p tcp", "-h -p 89"],
    },
    Known {
        part: Part::Words,
        kind: Kind::Words,
        why: "the help is in our own words",
        theirs: "Command line interface for the connection tracking system",
        ours: "",
        lines: &["-h", "--help", "-h expect", "-h -p udp", "-h -p udp --sport 1", "-", "--", ""],
    },
    Known {
        part: Part::Reading,
        kind: Kind::Defect,
        why: "a save line of the original loses mark, labels, helper and more",
        theirs: "",
        ours: " -m ",
        lines: &[
            "-L -o save",
            "-L -f ipv6 -o save",
            "-L -p tcp -o save",
            "-L -p udp -o save",
            "-L -u ASSURED -o save",
            "-G -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 -o save",
        ],
    },
    Known {
        part: Part::Reading,
        kind: Kind::Defect,
        why: "a save line of the original loses which address was translated where only a port differs, and TCP's flags",
        theirs: "",
        ours: " --orig-tcp-flags ",
        lines: &["-L -j -o save"],
    },
    Known {
        part: Part::Reading,
        kind: Kind::Defect,
        why: "a save line of the original cannot be loaded where a flow has no ports; ours leaves the flow out and says so",
        theirs: "-p dccp",
        ours: "cannot be saved",
        lines: &["-L -p dccp -o save"],
    },
    Known {
        part: Part::Listening,
        kind: Kind::Defect,
        why: "a save line of the original loses mark, labels, helper and more",
        theirs: "",
        ours: " -m 7 --label-add customer",
        lines: &["-E -o save"],
    },
    Known {
        part: Part::Changing,
        kind: Kind::Defect,
        why: "a save line of the original loses mark, labels, helper and more",
        theirs: "",
        ours: " -m ",
        lines: &["-U -p udplite -s 10.0.0.1 -m 3 -o save"],
    },
    Known {
        part: Part::Words,
        kind: Kind::Defect,
        why: "a save line of the original loses mark, labels, helper and more",
        theirs: "",
        ours: " -m ",
        lines: &["-L -o save -o save", "-L -o save,userspace"],
    },
    Known {
        part: Part::Reading,
        kind: Kind::Defect,
        why: "the original's XML names an SCTP state as the TCP state of that number",
        theirs: "",
        ours: "<state>COOKIE_WAIT</state>",
        lines: &[
            "-L -o xml",
            "-L -o xml,extended",
            "-L -o xml,id",
            "-L -o xml,ktimestamp",
            "-L -o xml,timestamp",
            "-L -o xml,labels",
            "-L -o xml,extended,id,ktimestamp,labels",
            "-L -o x,i",
            "-L -p sctp -o xml",
            "-L -p sctp -o xml,extended",
            "-L -p sctp -o xml,id",
            "-L -p sctp -o xml,ktimestamp",
            "-L -p sctp -o xml,timestamp",
            "-L -p sctp -o xml,labels",
            "-L -p sctp -o xml,extended,id,ktimestamp,labels",
            "-L -p sctp -o x,i",
        ],
    },
    Known {
        part: Part::Reading,
        kind: Kind::Defect,
        why: "the original's XML names an SCTP state as the TCP state of that number",
        theirs: "<state>FIN_WAIT</state>",
        ours: "",
        lines: &["-L -s 10.0.0.1 -o xml"],
    },
    Known {
        part: Part::Words,
        kind: Kind::Defect,
        why: "the original's XML names an SCTP state as the TCP state of that number",
        theirs: "<state>FIN_WAIT</state>",
        ours: "",
        lines: &["-L -o XML"],
    },
    Known {
        part: Part::Listening,
        kind: Kind::Defect,
        why: "the original's XML names an SCTP state as the TCP state of that number",
        theirs: "",
        ours: "",
        lines: &["-E -o xml", "-E -o xml,timestamp", "-E -o xml,extended,id,ktimestamp,labels", "-E -e DE -o xml"],
    },
    Known {
        part: Part::Words,
        kind: Kind::Defect,
        why: "the original crashes at a state of SCTP that it does not know",
        theirs: "",
        ours: "unknown SCTP state",
        lines: &["-L -p sctp --state NOSUCH", "-L -p sctp --state closed"],
    },
    Known {
        part: Part::Legality,
        kind: Kind::Defect,
        why: "the original asks with half a tuple, and the kernel answers that there is no data",
        theirs: "No data available",
        ours: "such conntrack doesn't exist",
        lines: &["-G -s 10.0.0.1 -d 10.0.0.2 -p tcp --reply-port-src 1 --reply-port-dst 1"],
    },
    Known {
        part: Part::Reading,
        kind: Kind::Defect,
        why: "the original sends two tuples where one is asked for, and the kernel refuses",
        theirs: "Operation failed: invalid parameters",
        ours: "1 flow entries have been shown.",
        lines: &["-G -p tcp -r 10.0.0.2 -q 10.0.0.1 --reply-port-src 80 --reply-port-dst 1000"],
    },
    Known {
        part: Part::Changing,
        kind: Kind::Defect,
        why: "the original passes over what must not be set, and deletes every flow",
        theirs: "[ASSURED]",
        ours: "",
        lines: &["-D -u UNREPLIED", "-D -u !ASSURED"],
    },
    Known {
        part: Part::Reading,
        kind: Kind::Defect,
        why: "the original asks the kernel for bits outside of the mask, and finds nothing",
        theirs: " 0 flow entries have been shown.",
        ours: "",
        lines: &["-L -u SEEN_REPLY,!ASSURED"],
    },
    Known {
        part: Part::Changing,
        kind: Kind::Defect,
        why: "the original does not compare an IPv6 address of a translation, and deletes whatever is translated",
        theirs: "1 flow entries have been deleted.",
        ours: "0 flow entries have been deleted.",
        lines: &["-D -n 2001:db8:9::99"],
    },
    Known {
        part: Part::Reading,
        kind: Kind::Defect,
        why: "the original does not compare an IPv6 address of a translation",
        theirs: "2 flow entries have been shown.",
        ours: "",
        lines: &["-L -n 2001:db8:9::1", "-L -n 2001:db8:9::99", "-L -g 2001:db8:6::1"],
    },
    Known {
        part: Part::Dying,
        kind: Kind::Defect,
        why: "the original makes networks ready for the table only, and finds nothing in this list",
        theirs: " 0 flow entries have been shown.",
        ours: "src=",
        lines: &["-L dying -s 10.0.0.0/8", "-L dying -s 2001:db8::/32"],
    },
    Known {
        part: Part::Dying,
        kind: Kind::Defect,
        why: "the original does not close the XML of this list",
        theirs: "",
        ours: "</conntrack>",
        lines: &["-L dying -o xml", "-L dying -o xml,id"],
    },
    Known {
        part: Part::Words,
        kind: Kind::Defect,
        why: "the original does not compare an IPv6 address of a translation",
        theirs: "1 flow entries have been shown.",
        ours: "0 flow entries have been shown.",
        lines: &["-L -n ::1:80"],
    },
    Known {
        part: Part::Changing,
        kind: Kind::Defect,
        why: "the original's flush of one family flushes both",
        theirs: "",
        ours: "",
        lines: &["-F -f ipv4"],
    },
    Known {
        part: Part::Changing,
        kind: Kind::Defect,
        why: "the original does not send the zone with an update, and finds nothing",
        theirs: "0 flow entries have been updated.",
        ours: "1 flow entries have been updated.",
        lines: &[
            "-U -s 10.0.1.1/32 -m 3",
            "-U -s 10.0.1.0/31 -m 3",
            "-U -s 10.0.1.1 -m 5",
            "-U -s 10.0.1.1 -m 0x100/0x100",
            "-U -s 10.0.1.1 -m 5/0xf",
            "-U -s 10.0.1.1 -t 100",
            "-U -s 10.0.1.1 -u SEEN_REPLY",
            "-U -s 10.0.1.1 -u SEEN_REPLY,ASSURED",
            "-U -s 10.0.1.1 -u FIXED_TIMEOUT",
            "-U -s 10.0.1.1 --label-add customer",
        ],
    },
    Known {
        part: Part::Changing,
        kind: Kind::Defect,
        why: "the original does not send the zone with an update; ours ends the entry, which is gone when it would be shown",
        theirs: "",
        ours: "",
        lines: &["-U -s 10.0.1.1 -t 0"],
    },
    Known {
        part: Part::Changing,
        kind: Kind::Newer,
        why: "the original does not send the zone with an update, and leaves entries of a zone out",
        theirs: "14 flow entries have been updated.",
        ours: "16 flow entries have been updated.",
        lines: &["-U -m 5", "-U -t 77"],
    },
    Known {
        part: Part::Changing,
        kind: Kind::Newer,
        why: "of a list of labels 1.4.9 takes only the first",
        theirs: "",
        ours: "",
        lines: &[
            "-U -p udplite -s 10.0.0.1 --label-add customer,guest",
            "-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 100 --label-add customer,far",
            "[packets] -U -p udp -d 127.0.0.2 --dport 5302 --label-add guest,office -o labels",
        ],
    },
    Known {
        part: Part::Reading,
        kind: Kind::Newer,
        why: "of a list of labels 1.4.9 takes only the first",
        theirs: "2 flow entries have been shown.",
        ours: "0 flow entries have been shown.",
        lines: &["-L -l customer,office"],
    },
    Known {
        part: Part::Changing,
        kind: Kind::Defect,
        why: "the original sends the address to find as one to translate to, which the kernel refuses",
        theirs: "Operation failed: Operation not supported",
        ours: "mark=3",
        lines: &["-U -s 10.1.0.0/16 -n 192.0.2.1 -m 3", "-U -s 10.0.0.0/8 -g 192.0.2.2:5353 -m 3"],
    },
    Known {
        part: Part::Reading,
        kind: Kind::Older,
        why: "1.4.7 has no --labelmap",
        theirs: "unknown option `--labelmap'",
        ours: "",
        lines: &[
            "-L -l office --labelmap MAP",
            "-L -o labels --labelmap MAP",
            "-L --labelmap /nonexistent",
            "-L -l office --labelmap /nonexistent",
            "-L --labelmap MAP --labelmap MAP",
        ],
    },
    Known {
        part: Part::Words,
        kind: Kind::Older,
        why: "1.4.7 swallows what follows a command's letter",
        theirs: "16 flow entries have been shown",
        ours: "",
        lines: &["-Lp tcp", "-Lptcp", "-Lfipv4", "-Lztcp", "-Lexpect"],
    },
    Known {
        part: Part::Words,
        kind: Kind::Older,
        why: "1.4.7 takes any word for a number",
        theirs: "flow entries have been",
        ours: "unexpected value",
        lines: &[
            "-L -m x",
            "-L -m 1x",
            "-L -m 1/x",
            "-L -m /1",
            "-L -m -1",
            "-L -m 4294967296",
            "-L -m 0x",
            "-L -m 08",
            "-L -w x",
            "-L -w 65536",
            "-L -w -1",
            "-L --orig-zone x",
            "-L --reply-zone 65536",
            "-L -c x",
            "-L -c 4294967296",
            "-D -i x",
            "-D -i 4294967296",
            "-D -i -1",
        ],
    },
    Known {
        part: Part::Words,
        kind: Kind::Older,
        why: "1.4.7 looks labels up before it sees that both options are there",
        theirs: "unknown label 'x'",
        ours: "cannot use --label-add and --label-del at the same time",
        lines: &["-U --label-add x --label-del y"],
    },
    Known {
        part: Part::Listening,
        kind: Kind::Older,
        why: "1.4.7 writes who caused an event behind XML, which is none any more",
        theirs: "</flow> [USERSPACE]",
        ours: "",
        lines: &[
            "-E -o xml",
            "-E -o xml,timestamp",
            "-E -o xml,extended,id,ktimestamp,labels",
            "-E -e DE -o xml",
            "-E -n 192.0.2.1 -o xml",
        ],
    },
    Known {
        part: Part::Expecting,
        kind: Kind::Older,
        why: "1.4.7 loses the protocol and the ports of what is expected",
        theirs: "",
        ours: "",
        lines: &[EXPECT_ANY, EXPECT_PORT],
    },
    Known {
        part: Part::Changing,
        kind: Kind::Older,
        why: "1.4.7 updates nothing where no address tells the family",
        theirs: "Operation failed: Operation not supported",
        ours: "flow entries have been updated.",
        lines: &["-U -m 5", "-U -p tcp -m 5", "-U -t 77"],
    },
    Known {
        part: Part::Changing,
        kind: Kind::Older,
        why: "1.4.7 sets another mark where status is set as well",
        theirs: "mark=2 ",
        ours: "mark=3 ",
        lines: &["-U -p udplite -s 10.0.0.1 -m 3 -t 100 -u SEEN_REPLY"],
    },
    Known {
        part: Part::Changing,
        kind: Kind::Older,
        why: "1.4.7 neither adds nor counts where -A meets an entry that is there",
        theirs: "0 flow entries have been added.",
        ours: "1 flow entries have been added.",
        lines: &[
            "-A -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 --state ESTABLISHED -t 100",
            "-A -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 53 -t 100 -m 3",
        ],
    },
];

const EXPECT_ANY: &str = "-I expect -p tcp -s 127.0.0.1 -d 127.0.0.2 --sport CLIENT --dport 21 -t 60 --tuple-src 127.0.0.1 --tuple-dst 127.0.0.2 --mask-src 255.255.255.255 --mask-dst 255.255.255.255 --tuple-port-src 0 --tuple-port-dst 999 --mask-port-src 0 --mask-port-dst 65535";
const EXPECT_PORT: &str = "-I expect -p tcp -s 127.0.0.1 -d 127.0.0.2 --sport CLIENT --dport 21 -t 60 --tuple-src 127.0.0.9 --tuple-dst 127.0.0.2 --mask-src 255.255.255.0 --mask-dst 255.255.255.255 --tuple-port-src 5 --tuple-port-dst 999 --mask-port-src 65535 --mask-port-dst 65535";

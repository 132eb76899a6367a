//! Command lines and their meaning, or the reason why they are refused.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use ctwarden_model::{
    EventKinds, Family, Filter, Flow, FlowId, IcmpFilter, LabelChange, Labels, Layer4, Mark, Masked, MaskedAddress,
    NatFilter, NatTo, PerDirection, PortRange, Prefix, PrefixSet, Protocol, ProtocolInfo, SctpState, SecondsRange,
    Status, TcpState, Tuple, Zone,
};
use proptest::prelude::*;

use super::*;
use crate::LabelMap;

struct Machine;

impl Environment for Machine {
    fn protocol_named(&self, name: &str) -> Option<Protocol> {
        (name == "igmp").then_some(Protocol(2))
    }

    fn name_of_protocol(&self, protocol: Protocol) -> Option<String> {
        (protocol == Protocol(2)).then(|| "igmp".to_string())
    }

    fn label_map(&self, path: Option<&str>) -> Result<LabelMap, String> {
        match path {
            None => Ok(LabelMap::parse("1 one\n5 five\n")),
            Some(_) => Err("No such file or directory".to_string()),
        }
    }
}

fn read(line: &str) -> Result<Parsed, Refused> {
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    parse("conntrack", &words, &Machine)
}

fn command(line: &str) -> Command {
    let parsed = read(line).unwrap_or_else(|refused| panic!("{line}: {refused:?}"));
    assert_eq!(parsed.warnings, [""; 0], "{line}");
    parsed.command
}

fn filter(line: &str) -> Filter {
    let (Command::List(List { filter, .. })
    | Command::Delete(Delete { filter, .. })
    | Command::Update(Update { filter, .. })
    | Command::Events(Events { filter, .. })
    | Command::Get(Get { filter, .. })) = command(line)
    else {
        panic!("{line} has no filter")
    };
    filter
}

fn created(line: &str) -> Create {
    let Command::Create(create) = command(line) else { panic!("{line} makes nothing") };
    create
}

fn with(change: impl FnOnce(&mut Filter)) -> Filter {
    let mut filter = Filter::default();
    change(&mut filter);
    filter
}

fn net(text: &str) -> PrefixSet {
    core::iter::once(text.parse::<Prefix>().unwrap()).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[track_caller]
fn refused(line: &str, status: u8, message: &str) {
    let refused = read(line).expect_err(line);
    assert_eq!((refused.problem.exit_status(), refused.problem.to_string().as_str()), (status, message), "{line}");
    assert_eq!(refused.problem.hint().is_some(), status == 2);
}

#[test]
fn a_mistake_in_words_is_told_as_ever() {
    for (line, message) in [
        ("-k", "unknown option `-k'"),
        ("-kL", "unknown option `conntrack'"),
        ("foo -kL", "unknown option `foo'"),
        ("-L --nothing", "unknown option `--nothing'"),
        ("-L --s", "unknown option `--s'"),
        ("-L --zero=1", "unknown option `--zero=1'"),
        ("-L -R", "unknown option `-R'"),
        ("-L -s", "option `-s' requires an argument"),
        ("-Lzs", "option `-Lzs' requires an argument"),
        ("-L --src", "option `--src' requires an argument"),
        ("-L -D", "Invalid commands combination"),
        ("-L foo", "unknown type `foo'"),
        ("-D dying", "Can't do that command with tables `dying' and `unconfirmed'"),
        ("-U expect", "Can't do --update on expectations"),
        ("-A exp", "Can't do --add on expectations"),
        ("-L -s 1.1.1.1 -d ::1", "mismatched address family"),
        ("-L -s host", "Invalid IP address `host'"),
        ("-L -s 1.1.1.1/33", "Invalid netmask"),
        ("-L -r 1.1.1.1/8", "CIDR notation unavailable for `--reply-src'"),
        ("-L -q 1.1.1.1/x", "CIDR notation unavailable for `--reply-dst'"),
        ("-L -n 1.1.1.1/8", "CIDR notation unavailable for `--src-nat'"),
        ("-L --mask-src 255.0.0.0/8", "CIDR notation unavailable for `--mask-src'"),
        ("-L -n 1.1.1.1:", "No port specified after `:'"),
        ("-L -g 1.1.1.1:65536", "Invalid port `65536'"),
        ("-L -j [::1", "No closing ']' around IPv6 address"),
        ("-L -j []:5", "No IPv6 address specified"),
        ("-L -j [::1]", "Invalid IP address `[::1]'"),
        ("-L -p 256", "`256' unsupported protocol"),
        ("-L -p foo", "`foo' unsupported protocol"),
        ("-L -p -10", "`-10' unsupported protocol"),
        ("-L -f ip", "`ip' unsupported protocol"),
        ("-L -u ASSURED,", "Bad parameter `'"),
        ("-L -u ASSURED,,SEEN_REPLY", "Bad parameter `,SEEN_REPLY'"),
        ("-L -u X,ASSURED", "Bad parameter `X,ASSURED'"),
        ("-L -u !X,ASSURED", "Bad parameter `X,ASSURED'"),
        ("-E -e FOO", "Bad parameter `FOO'"),
        ("-L -o foo", "Bad parameter `foo'"),
        ("-L -l nine", "unknown label 'nine'"),
        ("-L --labelmap a --labelmap b", "option `--labelmap' can only be specified once"),
        ("-L -p tcp --state FOO", "unknown TCP state `FOO'"),
        ("-L -p tcp --state 3", "unknown TCP state `3'"),
        ("-L -p sctp --state FOO", "unknown SCTP state `FOO'"),
        ("-L -p dccp --state FOO", "Unknown DCCP state `FOO'"),
        ("-L -p dccp --role FOO", "Unknown DCCP role `FOO'"),
    ] {
        refused(line, 2, message);
    }
    for (line, message) in [
        ("-L -w 65536", "unexpected value '65536' with -w option"),
        ("-L --orig-zone x", "unexpected value 'x' with -( option"),
        ("-L --reply-zone -1", "unexpected value '-1' with -) option"),
        ("-D -i 4294967296", "unexpected value '4294967296' with -i option"),
        ("-L -m 1x", "unexpected value '1x' with -m option"),
        ("-L -c ?", "unexpected value '?' with -c option"),
        ("-L -o save,id", "cannot combine save output with any other output type, use -o save only"),
        ("-L -o save -o xml", "cannot combine save output with any other output type, use -o save only"),
        ("-L -o save,json", "cannot combine save output with any other output type, use -o save only"),
        ("-L -o xml,json", "cannot combine json output with xml output, use one of them"),
        ("-U --label-add one --label-del", "cannot use --label-add and --label-del at the same time"),
        ("-L -u UNSET", "Operation failed: invalid parameters"),
    ] {
        refused(line, 1, message);
    }
}

#[test]
fn each_command_takes_its_own_options() {
    let whole = "-s 1.1.1.1 -d 2.2.2.2 -p tcp --sport 1 --dport 2";
    for (line, message) in [
        ("-L -t 5", "Illegal option `--timeout' with this command"),
        ("-L -i 5", "Illegal option `--id' with this command"),
        ("-L -b 5", "Illegal option `--buffer-size' with this command"),
        ("-E -u ASSURED", "Illegal option `--status' with this command"),
        ("-E -z", "Illegal option `--zero' with this command"),
        ("-D -j", "Illegal option `--any-nat' with this command"),
        ("-D -c 1", "Illegal option `--secmark' with this command"),
        ("-U -w 1", "Illegal option `--zone' with this command"),
        ("-G -f ipv4", "You need to supply the `--protonum' option for this command"),
        ("-F -s 1.1.1.1", "Illegal option `--src' with this command"),
        ("-C -f ipv4", "Illegal option `--family' with this command"),
        ("-S -o id", "Illegal option `--output' with this command"),
        ("-V -z", "Illegal option `--zero' with this command"),
        ("-s 1.1.1.1", "Illegal option `--src' with this command"),
        ("-L expect -s 1.1.1.1", "Illegal option `--src' with this command"),
        ("-E expect -e NEW", "Illegal option `--event-mask' with this command"),
        ("-L --exit-code", "Illegal option `--exit-code' with this command"),
        ("-D --from x", "Illegal option `--from' with this command"),
        ("-L --helper ftp", "Illegal option `--helper' with this command"),
        ("-L -n -j", "cannot specify `--src-nat' or `--dst-nat' with `--any-nat'"),
        ("-I -s 1.1.1.1 -d 2.2.2.2 -t 5", "You need to supply the `--protonum' option for this command"),
        ("-I -s 1.1.1.1 -t 5 -p udp", "you have to specify `--src' and `--dst'"),
        ("-I -t 5 -p udp", "you have to specify `--src' and `--dst'"),
        ("-I -q 1.1.1.1 -t 5 -p udp", "you have to specify `--reply-src' and `--reply-dst'"),
        ("-I -s 1.1.1.1 -d 2.2.2.2 -p udp", "You need to supply the `--timeout' option for this command"),
        ("-I -s 1.1.1.1 -d 2.2.2.2 -p udp -t 5", "you have to specify `--sport' and `--dport'"),
        ("-I -s 1.1.1.1 -d 2.2.2.2 -p udp -t 5 --sport 1", "you have to specify `--sport' and `--dport'"),
        (
            "-A -s 1.1.1.1 -d 2.2.2.2 -p udp -t 5 --reply-port-src 1",
            "you have to specify `--reply-src-port' and `--reply-dst-port'",
        ),
        (
            "-A -s 1.1.1.1 -d 2.2.2.2 -p dccp -t 5 --reply-port-src 1 --state OPEN --role c",
            "you have to specify `--reply-port-src' and `--report-port-dst'",
        ),
        ("-G -s 1.1.1.1 -d 2.2.2.2 -p gre", "you have to specify `--srckey' and `--dstkey'"),
        (
            "-G -s 1.1.1.1 -d 2.2.2.2 -p icmp --icmp-type 8",
            "You need to supply the `--icmp-code' option for this command",
        ),
        ("-L -p tcp --mask-port-src 1", "Illegal option `--mask-port-src' with this command"),
        ("-L -p sctp --orig-vtag 1", "Illegal option `--orig-vtag' with this command"),
        ("-L -p tcp --state ESTABLISHED -p udp", "Illegal option `--tuple-port-src' with this command"),
        ("-L -z -s 1.1.1.1", "Can't use -z with filtering parameters"),
        ("-L --mask-src 255.0.0.0", "Can't use --mask-src without --src"),
        ("-D --mask-dst 255.0.0.0", "Can't use --mask-dst without --dst"),
        ("-I expect -s 1.1.1.1 -d 2.2.2.2 -p tcp -t 5", "You need to supply the `--tuple-src' option for this command"),
        (
            "-D expect -s 1.1.1.1 -d 2.2.2.2 -p tcp --sport 1 --dport 2",
            "You need to supply the `--reply-port-src' option for this command",
        ),
    ] {
        refused(line, 2, message);
    }
    let line = alloc::format!("-I {whole} -t 5");
    refused(&line, 2, "You need to supply the `--state' option for this command");
    // Options of a protocol that was not named are not known.
    refused("-L --sport 5", 2, "unknown option `--sport'");
    refused("-L --sport 5 -p tcp", 2, "unknown option `--sport'");
}

#[test]
fn words_may_stand_anywhere_and_be_cut_short() {
    let expected = with(|f| {
        f.family = Some(Family::Ipv4);
        f.original_src = net("1.1.1.1");
    });
    for line in [
        "-L -s 1.1.1.1",
        "-s 1.1.1.1 -L",
        "-s1.1.1.1 -L",
        "stray -s 1.1.1.1 -L",
        "--src 1.1.1.1 --dump",
        "--src=1.1.1.1 --du",
        "--orig-sr 1.1.1.1 -L con",
        "-L -s 1.1.1.1 stray -- -k",
        "--dump=expect -s 1.1.1.1",
        "-L -s 0x01010101",
    ] {
        assert_eq!(filter(line), expected, "{line}");
    }
    assert!(matches!(command("-L exp"), Command::ListExpectations { family: Family::Ipv4, .. }));
    assert!(matches!(command("-L d"), Command::List(List { table: Table::Dying, .. })));
    assert!(matches!(command("-Lz expect"), Command::List(List { table: Table::Conntrack, zero: true, .. })));
    assert!(matches!(command("-Cexpect"), Command::Count));
    assert!(matches!(command("-C expect"), Command::CountExpectations));
    // Options of ctwarden do not change the meaning of an abbreviation.
    assert!(matches!(command("--hel"), Command::Help { given: true, .. }));
    assert!(matches!(command("--exit -D"), Command::Delete(Delete { exit_code: true, .. })));
    assert!(matches!(command(""), Command::Help { given: false, protocol: None }));
    assert!(matches!(command("-R - -k"), Command::Load { file: Source::StandardInput }));
    assert!(matches!(command("--load-file x"), Command::Load { file: Source::File(name) } if name == "x"));
    assert_eq!(command("-h -p 2"), Command::Help { protocol: Some((Protocol(2), "igmp".to_string())), given: true });
}

#[test]
fn an_optional_value_is_the_next_word() {
    let nat = |line: &str| filter(line).rare.unwrap().nat.unwrap();
    let any = NatTo::default();
    let to = |address: &str, port| NatTo { address: Some(ip(address)), port };
    assert_eq!(nat("-L -n"), NatFilter::Source(any));
    assert_eq!(nat("-L -n1.1.1.1"), NatFilter::Source(any));
    assert_eq!(nat("-L --src-nat=1.1.1.1"), NatFilter::Source(any));
    assert_eq!(nat("-L -n 1.1.1.1:80"), NatFilter::Source(to("1.1.1.1", Some(80))));
    assert_eq!(nat("-L -n -g 2.2.2.2"), NatFilter::Both { source: any, destination: to("2.2.2.2", None) });
    assert_eq!(nat("-L -j 2.2.2.2"), NatFilter::Either(to("2.2.2.2", None)));
    // 1.4.9 does not compare IPv6 addresses here, and deletes every translated flow.
    assert_eq!(nat("-D -g [2001:db8::1]:80"), NatFilter::Destination(to("2001:db8::1", Some(80))));
    assert_eq!(nat("-D -n 2001:db8::1"), NatFilter::Source(to("2001:db8::1", None)));
    assert_eq!(filter("-L -g 2001:db8::1").family, Some(Family::Ipv6));
}

#[test]
fn filters_hold_what_is_compared() {
    let port = |port| [PortRange { first: port, last: port }];
    assert_eq!(
        filter(
            "-L -s 10.1.2.3/8 -d 1.2.3.4 --mask-dst 255.0.255.0 -p tcp --dport 443 --state TIME_WAIT -m 0x1/0xf -w 3"
        ),
        with(|f| {
            f.family = Some(Family::Ipv4);
            f.original_src = net("10.0.0.0/8");
            f.rare_mut().original_dst = Some(MaskedAddress { address: ip("1.2.3.4"), mask: ip("255.0.255.0") });
            f.protocols = [Protocol::TCP].into();
            f.dst_ports = port(443).into_iter().collect();
            f.states = [TcpState::TIME_WAIT.0].into();
            f.mark = Some(Masked::new(1, 15).unwrap());
            f.zones = [Zone(3)].into();
            f.rare_mut().shared_zone = Some(Zone(3));
        })
    );
    assert_eq!(
        filter("-D -p udp --reply-port-src 53 -r 1.1.1.1 --orig-zone 2 -l one,#7 -i 9"),
        with(|f| {
            f.family = Some(Family::Ipv4);
            f.reply_src = net("1.1.1.1");
            f.protocols = [Protocol::UDP].into();
            f.labels = 1 << 1 | 1 << 7;
            let rare = f.rare_mut();
            rare.reply_src_ports = port(53).into_iter().collect();
            rare.zones.original = Some(Zone(2));
            rare.id = Some(FlowId(9));
        })
    );
    assert_eq!(
        filter("-E -p icmp --icmp-type 8 --icmp-id 7"),
        with(|f| {
            f.protocols = [Protocol::ICMP].into();
            f.rare_mut().icmp = IcmpFilter { id: Some(7), kind: Some(8), code: None };
        })
    );
    // No entry can have a mark with bits outside the mask.
    assert!(filter("-L -m 2/1").rare.unwrap().nothing);
    // Keys of GRE, security marks and a timeout alone are not compared.
    assert_eq!(filter("-L -p gre --srckey 0x10"), with(|f| f.protocols = [Protocol::GRE].into()));
    assert_eq!(filter("-L -c 5"), Filter::default());
    assert_eq!(filter("-D -t 5"), Filter::default());
    let seconds = Some(SecondsRange { first: 5, last: 5 });
    assert_eq!(filter("-D -t 5 -p udp").timeout, seconds);
    // With a repeated `-p`, earlier options keep their protocol, and the last protocol interprets later ones by their
    // codes.
    assert!(filter("-L -p udp --reply-port-src 5 -p tcp").rare.unwrap().nothing);
    assert_eq!(filter("-L -p tcp -p icmp --sport 8").rare.unwrap().icmp.kind, Some(8));
}

#[test]
fn status_bits_are_set_and_those_that_are_negated_are_not() {
    let status = |line: &str| filter(line).status.map(|status| (status.value(), status.mask()));
    let (seen, assured) = (Status::SEEN_REPLY.0, Status::ASSURED.0);
    assert_eq!(status("-L -u seen,ass"), Some((seen | assured, seen | assured)));
    assert_eq!(status("-L -u SEEN_REPLY -u ASSURED"), Some((seen | assured, seen | assured)));
    for verb in ["-L", "-L dying", "-D"] {
        assert_eq!(status(&format!("{verb} -u !ASSURED")), Some((0, assured)), "{verb}");
        assert_eq!(status(&format!("{verb} -u UNREPLIED")), Some((0, seen)), "{verb}");
        assert_eq!(status(&format!("{verb} -u SEEN_REPLY,!ASSURED")), Some((seen, seen | assured)), "{verb}");
        assert_eq!(status(&format!("{verb} -u !ASSURED -u SEEN_REPLY")), Some((seen, seen | assured)), "{verb}");
    }
    assert_eq!(status("-U -u ASSURED"), None);
}

#[test]
fn warnings_are_told_in_order() {
    let parsed = read("-L -a 1.1.1.1 -u S,SEEN_REPLY -o s").unwrap();
    let nat = "WARNING: ignoring SRC_NAT, use --src-nat instead";
    assert_eq!(parsed.warnings, ["WARNING: ignoring -a, deprecated option.", nat, nat]);
    let refused = read("-L -u D,X").unwrap_err();
    assert_eq!(refused.warnings, ["WARNING: ignoring DST_NAT, use --dst-nat instead"]);
    let refused = read("-L --labelmap none -l one").unwrap_err();
    assert_eq!(refused.warnings, ["nfct_labelmap_new: No such file or directory"]);
    assert_eq!(read("-L --labelmap none -l #1").unwrap().warnings, [""; 0]);
    assert_eq!(read("-L --labelmap none -o save").unwrap().warnings, [""; 0]);
}

fn tuple(src: &str, dst: &str, protocol: Protocol, layer4: Layer4) -> Tuple {
    Tuple { src: ip(src), dst: ip(dst), protocol, layer4 }
}

#[test]
fn an_entry_is_whole_with_one_direction() {
    let original = tuple("1.1.1.1", "2.2.2.2", Protocol::TCP, Layer4::Ports { src: 10, dst: 20 });
    let reply = original.reversed();
    let one = "-I -s 1.1.1.1 -d 2.2.2.2 -p tcp --sport 10 --dport 20 --state LISTEN -u SEEN_REPLY -t 50 -m 7/1";
    let other = "-A -r 2.2.2.2 -q 1.1.1.1 -p tcp --reply-port-src 20 --reply-port-dst 10 --state LISTEN -t 50";
    let create = created(one);
    assert_eq!(create.flow.tuples, PerDirection { original, reply });
    assert!(create.exclusive);
    assert_eq!(
        (create.flow.timeout, create.flow.status, create.flow.mark),
        (Some(50), Some(Status::SEEN_REPLY), Some(Mark(7)))
    );
    let Some(ProtocolInfo::Tcp { state, flags, .. }) = create.flow.info else { panic!() };
    assert_eq!((state, flags.reply.unwrap().flags), (Some(TcpState::SYN_SENT2), 0x0e));
    let create = created(other);
    assert_eq!(create.flow.tuples, PerDirection { original, reply });
    assert!(!create.exclusive && create.flow.status.is_none() && !create.nat.is_some());
    let translated = alloc::format!("{one} -n 3.3.3.3:99 -g 4.4.4.4");
    let create = created(&translated);
    assert_eq!(
        create.flow.tuples.reply,
        tuple("4.4.4.4", "3.3.3.3", Protocol::TCP, Layer4::Ports { src: 20, dst: 99 })
    );
    assert_eq!(create.nat.source, Some(NatTo { address: Some(ip("3.3.3.3")), port: Some(99) }));
    // As in saved lines.
    let create = created(
        "-A -t 9 -s 1.1.1.1 -d 2.2.2.2 -r 2.2.2.2 -n 3.3.3.3 -p udp --sport 1 --dport 2 --reply-port-src 2 --reply-port-dst 9",
    );
    assert_eq!(create.flow.tuples.reply, tuple("2.2.2.2", "3.3.3.3", Protocol::UDP, Layer4::Ports { src: 2, dst: 9 }));
    let ping = created(
        "-I -t 29 -s 1.1.1.1 -d 2.2.2.2 -r 2.2.2.2 -q 1.1.1.1 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 1226",
    );
    assert_eq!(ping.flow.tuples.reply.layer4, Layer4::Icmp { id: 1226, kind: 0, code: 0 });
}

#[test]
fn what_is_saved_can_be_read_back() {
    let flow = created(
        "-A -t 9 -s 1.1.1.1 -d 2.2.2.2 -p sctp --sport 1 --dport 2 --state HEARTBEAT_SENT --orig-vtag 1 --reply-vtag 2 \
         --label-add one,#127 --helper ftp --helper-info 00ff --orig-seqadj 5,-6,7 --synproxy 1,2,3 \
         --master tcp,3.3.3.3,4.4.4.4,21,2000 --orig-zone 4 -u HELPER",
    )
    .flow;
    assert_eq!(flow.labels, Some(Labels(1 << 1 | 1 << 127)));
    assert_eq!(flow.status, Some(Status::HELPER));
    assert_eq!(flow.zone, Zone(4));
    assert!(
        matches!(flow.info, Some(ProtocolInfo::Sctp { state: Some(SctpState(8)), vtag }) if vtag.original == Some(1_u32.to_be()))
    );
    let rare = flow.rare.unwrap();
    assert_eq!((rare.helper.as_deref(), rare.helper_info), (Some("ftp"), Some(Vec::from([0, 255]))));
    assert_eq!(rare.sequence.original.unwrap().offset_before, Some(-6));
    assert_eq!(rare.synproxy.unwrap().tsoff, Some(3));
    assert_eq!(rare.master.unwrap().ports(), Some((21, 2000)));
    assert_eq!(rare.zones.original, Some(Zone(4)));
    refused("-A --helper-info 0", 1, "unexpected value '0' with an option of saved lines");
}

#[test]
fn a_change_is_applied_to_what_is_there() {
    let Command::Update(Update { change, filter, .. }) =
        command("-U -s 1.1.1.1 -p tcp --state CLOSE -m 1/2 -t 5 -u ASSURED --label-del --helper ftp")
    else {
        panic!()
    };
    assert_eq!((&*filter.protocols, filter.states.len(), filter.mark), ([Protocol::TCP].as_slice(), 0, None));
    assert_eq!(change.labels, Some(LabelChange { set: 0, clear: u128::MAX }));
    assert_eq!(change.mark.unwrap().apply(0b111), 0b100);
    assert_eq!(change.mark.unwrap().masked(0b111), Masked::all(0b100));
    let mut flow = Flow::new(PerDirection {
        original: tuple("1.1.1.1", "2.2.2.2", Protocol::TCP, Layer4::None),
        reply: tuple("2.2.2.2", "1.1.1.1", Protocol::TCP, Layer4::None),
    });
    assert!(change.alters(&flow));
    flow.timeout = Some(5);
    let only_timeout = Change { timeout: Some(5), ..Change::default() };
    assert!(!only_timeout.alters(&flow));
    assert!(
        matches!(command("-U --label-del=one"), Command::Update(Update { change, .. }) if change.labels.unwrap().clear == u128::MAX)
    );
}

#[test]
fn events_are_of_the_kinds_that_were_asked_for() {
    let events = |line: &str| {
        let Command::Events(events) = command(line) else { panic!("{line} shows no events") };
        events
    };
    assert_eq!(events("-E").kinds, EventKinds { row: false, new: true, update: true, destroy: true });
    assert_eq!(events("-E -e n,DEST").kinds, EventKinds { row: false, new: true, update: false, destroy: true });
    assert_eq!(events("-E -b 8388608").buffer, Some(8_388_608));
    assert_eq!((events("-E -b 12kB").buffer, events("-E -b -1").buffer), (Some(12), Some(0)));
    let output = events("-E -o id,ext,json").output;
    assert!(output.id && output.extended && output.form == Form::Json && output.labels.is_some());
}

#[test]
fn one_entry_is_looked_up_by_either_direction() {
    let Command::Get(get) = command("-G -r 2.2.2.2 -q 1.1.1.1 -p udp --reply-port-src 2 --reply-port-dst 1") else {
        panic!()
    };
    assert_eq!(get.tuple, tuple("2.2.2.2", "1.1.1.1", Protocol::UDP, Layer4::Ports { src: 2, dst: 1 }));
    assert_eq!(get.filter.reply_src, net("2.2.2.2"));
}

#[test]
fn a_line_of_a_file_has_rules_of_its_own() {
    assert_eq!(words(" a  \"b \\\" c\"d e\\f \"\" g"), ["a", "b \" c", "d", "e\\f", "", "g"]);
    assert_eq!(words("x\"y z\""), ["xy z"]);
    assert_eq!(line("conntrack", " \t# -L", &Machine), Ok(None));
    assert_eq!(line("conntrack", "  \n", &Machine), Ok(None));
    let parsed = line("conntrack", "\t-D -w 123 \n", &Machine).unwrap().unwrap();
    assert!(matches!(parsed.command, Command::Delete(_)));
    for (text, name) in [("-L", "-L"), ("-C expect", "-C expect"), ("word", "unknown"), ("-F expect", "-F expect")] {
        let message = alloc::format!("Cannot use command `{name}' with --load-file");
        assert_eq!(line("conntrack", text, &Machine).unwrap_err().problem.to_string(), message);
    }
    assert!(line("conntrack", "-R x", &Machine).is_err());
}

#[test]
fn the_help_names_everything() {
    let text = help("conntrack", Some(&(Protocol::TCP, "tcp".to_string())));
    for option in OPTIONS {
        for name in option.long {
            assert!(text.contains(&alloc::format!("--{name}")), "{name}");
        }
    }
    assert!(text.contains("Proto `tcp' help:") && text.contains("--tuple-port-dst PORT"));
    assert!(text.lines().all(|line| line.len() < 180));
}

proptest! {
    #[test]
    fn no_words_panic(words in proptest::collection::vec(word(), 0..12), raw in ".{0,40}") {
        let _ = parse("conntrack", &words, &Machine);
        let _ = line("conntrack", &words.join(" "), &Machine);
        let _ = line("conntrack", &raw, &Machine);
        let _ = parse("", &[raw], &Machine);
    }
}

/// Words that have a meaning, alone or with the next word.
fn word() -> impl Strategy<Value = String> {
    let options = OPTIONS.iter().flat_map(|option| {
        let short = option.short.map(|letter| alloc::format!("-{letter}"));
        option.long.iter().map(|name| alloc::format!("--{name}")).chain(short)
    });
    let protocols = PROTOCOLS.iter().flat_map(|protocol| {
        protocol.options.iter().flat_map(|option| option.long.iter().map(|name| alloc::format!("--{name}")))
    });
    let commands = COMMANDS.iter().map(|command| alloc::format!("-{}", command.short));
    let known: Vec<String> = options.chain(protocols).chain(commands).collect();
    prop_oneof![
        4 => proptest::sample::select(known),
        3 => proptest::sample::select(Vec::from([
            "1.1.1.1", "::1", "10.0.0.0/8", "1.1.1.1:80", "[::1]:80", "tcp", "udp", "sctp", "dccp", "gre", "icmp",
            "icmpv6", "igmp", "5", "0x10/3", "-1", "ASSURED,!SEEN_REPLY", "ESTABLISHED", "expect", "one", "#5", "json",
            "save", "--", "-", "", "5,6,7", "é", "-é",
        ]))
        .prop_map(ToString::to_string),
        1 => "\\PC{0,12}",
    ]
}

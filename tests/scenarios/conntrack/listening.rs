//! `-E`: every output and filter, with both programs listening to the same traffic at the same time.
//!
//! Each event comes only once. All listeners are therefore started first, so that each hears the same events. They end
//! by Ctrl-C, as in real use, and report how many events they have shown.

use std::io::Write;

use ctwarden_tests::{
    Built, Ftp, Listener, Said, Scene, Tcp, Udp, conntrack, load, original, ping, remove, update, with_label_map,
};

use super::grid::{Grid, Part};
use super::world::{FEW, LABELS, fill};

const LINES: &str = "
-E
-E -o extended
-E -o xml
-E -o id
-E -o timestamp
-E -o ktimestamp
-E -o labels
-E -o save
-E -o userspace
-E -o extended,id,timestamp,ktimestamp,labels
-E -o xml,timestamp
-E -o xml,extended,id,ktimestamp,labels
-E -e NEW
-E -e UPDATES
-E -e DESTROY
-E -e NEW,DESTROY
-E -e ALL
-E -e DE -o xml
-E -p tcp
-E -p udp -f ipv6
-E -p icmp
-E -p 89
-E -p tcp --dport 8080
-E -p tcp --state ESTABLISHED
-E -p tcp --dport 8080 -e DESTROY
-E -f ipv4
-E -f ipv6
-E -s 127.0.0.1
-E -s 127.0.0.0/8
-E -d 127.0.0.2 -p udp
-E -s 10.0.0.1 --mask-src 255.255.0.0
-E -d 2001:db8::2
-E -s 2001:db8::/32
-E -r 127.0.0.2
-E -q 127.0.0.1
-E -m 7
-E -m 1/1
-E -w 5
-E --orig-zone 6
-E --reply-zone 7
-E -n
-E -g
-E -j
-E -g 192.0.2.2
-E -n 192.0.2.1 -o xml
-E -l customer
-E conntrack -p gre
--event --event-mask=NEW --output=id
";

const EXPECTED: &str = "
-E expect
-E expect -o xml
-E expect -o timestamp
-E expect -o xml,timestamp
-E expect -o id
-E exp
";

const RULES: &str = "table inet label { chain out { type filter hook output priority 0;
    udp dport 5301 ct label set 1; udp dport 5301 ct mark set 7; };
    chain nat { type nat hook output priority -100; udp dport 5303 redirect to :5304; }; };";

/// Causes every kind of event: packets of all kinds, closed connections, entries made by hand, changes and removals.
fn traffic() {
    let mut connections = [("127.0.0.1", "127.0.0.2"), ("2001:db8::1", "2001:db8::2")].map(|(one, other)| {
        assert!(ping(one, other, 78));
        for port in [5300, 5301] {
            assert!(Udp::between(one, other, port).works());
        }
        Tcp::connect(one, other, 8080)
    });
    assert!(connections.iter_mut().all(Tcp::works));
    drop(connections);
    fill(FEW);
    update("-p udp -s 10.0.0.1 -m 7");
    update("-p udplite -s 10.0.0.1 -m 5/0xff");
    remove("-p tcp -s 10.0.0.1");
    let _ = Said::of(original(&["-F"]), "").good();
}

/// Starts both programs for each line, runs `what`, ends the programs and judges their outputs.
fn hear(grid: &mut Grid, lines: &str, what: impl FnOnce()) {
    let lines: Vec<&str> = lines.lines().filter(|line| !line.is_empty()).collect();
    let start = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        [Listener::start(original(&words)), Listener::start(conntrack(&words))]
    };
    let listeners: Vec<Listener> = lines.iter().flat_map(|line| start(line)).collect();
    what();
    Listener::wait_for_all(&listeners);
    let said = Listener::stop_all(listeners);
    for (line, pair) in lines.iter().zip(said.chunks(2)) {
        grid.judge(line, &pair[0], &pair[1], Built::Heard);
    }
}

#[test]
fn listeners_hear_and_say_the_same() {
    let Some(scene) = Scene::new() else { return };
    scene.set("netfilter/nf_conntrack_timestamp", 1);
    load(RULES);
    let _size = crate::resizing::hold_size();
    let mut grid = Grid::new(Part::Listening);
    with_label_map(LABELS, || {
        hear(&mut grid, LINES, traffic);
        hear(&mut grid, EXPECTED, || {
            if let Some(mut ftp) = Ftp::new("127.0.0.1", "127.0.0.2") {
                ftp.offer(20_021);
                ftp.offer(20_022);
                assert!(Tcp::connect("127.0.0.1", "127.0.0.2", 20_021).works());
                let _ = Said::of(original(&["-F", "expect"]), "").good();
            }
        });
    });
    grid.finish();
}

#[test]
fn a_listener_names_the_program_that_changed_the_table() {
    let Some(_scene) = Scene::new() else { return };
    let listeners = [Listener::start(original(&["-E"])), Listener::start(conntrack(&["-E"]))];
    // A process that lives until the listeners have looked up its name: it reads its commands from a pipe, and carries
    // them out when the pipe ends.
    let many: String =
        (1..2000).map(|port| format!("-A -p udp -s 10.0.0.1 -d 10.0.0.2 --sport {port} --dport 2 -t 60\n")).collect();
    let mut program = original(&["-R", "-"]).stdin(std::process::Stdio::piped()).spawn().expect("it can be run");
    program.stdin.take().expect("a pipe").write_all(many.as_bytes()).expect("it reads");
    assert!(program.wait().expect("a child can be waited for").success());
    Listener::wait_for_all(&listeners);
    for said in Listener::stop_all(listeners.into()) {
        let named = said
            .out
            .lines()
            .filter(|line| line.contains("[USERSPACE] portid=") && line.contains(" progname=conntrack"));
        assert!(named.count() > 10, "{}\n{}", said.command, said.out.lines().next().unwrap_or_default());
    }
}

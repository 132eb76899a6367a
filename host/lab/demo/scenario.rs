//! The acts of the demo: real traffic, the verdicts of the policies, and the kernel's table afterwards.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use ctwarden_lab::{Exchanges, Held, Lab, Service, TrafficError, Transfer};
use ctwarden_model::{Filter, Mark, Protocol};
use serde_json::Value;

use crate::checks::{self, Check, table};
use crate::daemon::Daemon;
use crate::daemon_files::{CAP, CAPPED_PORT, DaemonFiles, MANAGEMENT};
use crate::interrupts::Interrupts;
use crate::view::View;

const WEB: u16 = 443;
const DNS: u16 = 53;
const DOWNLOAD: u16 = 5001;
const SERVER: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 5, 0, 0, 0, 0, 0x10))];
/// Addresses whose flows no policy ends.
const GUEST: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 20)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0x20))];
/// Addresses that the demo bans.
const INTRUDER: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(198, 51, 100, 66)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0x66))];
/// An address that opens more connections than the cap allows.
const GREEDY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 50));
/// Number of connections that it tries to open.
const WANTED: usize = 32;
/// A transfer without data for this long has stalled, because data arrives every 10 ms.
const STALLED: Duration = Duration::from_millis(800);
/// Longest wait for an expected change.
const PATIENCE: Duration = Duration::from_secs(5);

struct Stage<'a> {
    lab: &'a Lab,
    files: &'a DaemonFiles,
    view: &'a mut View,
    daemon: Daemon,
    interrupts: &'a Interrupts,
    checks: Vec<Check>,
    verdicts: u64,
}

/// Plays all acts. Returns true if every check held.
pub(super) fn play(
    lab: &Lab,
    program: &Path,
    files: &DaemonFiles,
    interrupts: &Interrupts,
    view: &mut View,
) -> Result<bool> {
    view.say("three hosts in network namespaces: client – gateway with connection tracking – server")?;
    if lab.in_user_namespace() {
        view.say("not root: everything runs in a user namespace")?;
    }
    for missing in lab.missing() {
        view.say(&format!("this kernel does not let us set {missing}"))?;
    }
    view.say("starting the daemon with ban-follower, mark-by-service and connection-cap, all enforcing")?;
    let daemon = Daemon::start(program, files, interrupts)?;
    let mut stage = Stage { lab, files, view, daemon, interrupts, checks: Vec::new(), verdicts: 0 };
    for address in SERVER {
        for (port, service) in [
            (WEB, Service::Echo),
            (CAPPED_PORT, Service::Echo),
            (DOWNLOAD, Service::Stream { bytes_per_second: 1 << 20 }),
        ] {
            lab.server().serve_tcp(SocketAddr::new(address, port), service)?;
        }
        lab.server().serve_udp(SocketAddr::new(address, DNS))?;
    }
    stage.mark()?;
    stage.ban()?;
    stage.cap()?;
    stage.end()
}

impl Stage<'_> {
    fn mark(&mut self) -> Result<()> {
        self.view.act("1. mark-by-service: every service gets its mark")?;
        let client = self.lab.client();
        let pause = Duration::from_millis(10);
        let mut traffic = Vec::new();
        for (guest, server) in GUEST.into_iter().zip(SERVER) {
            traffic.push(client.connections(guest, SocketAddr::new(server, WEB), 3, pause)?);
            traffic.push(client.datagrams(guest, SocketAddr::new(server, DNS), 3, pause)?);
            traffic.push(client.ping(guest, server, 7, 3, pause)?);
        }
        self.until(PATIENCE, || Ok(traffic.iter().all(Exchanges::is_finished)))?;
        let (asked, answered) =
            traffic.iter().fold((0, 0), |(asked, answered), t| (asked + t.asked(), answered + t.answered()));
        self.check(
            "TCP, UDP and ICMP flow over IPv4 and IPv6",
            format!("{answered} of {asked} answered"),
            answered == asked,
        )?;
        for (claim, filter, mark) in [
            ("web connections carry mark 0x10", checks::to_port(Protocol::TCP, WEB), 0x10),
            ("DNS flows carry mark 0x20", checks::to_port(Protocol::UDP, DNS), 0x20),
            ("pings carry mark 0x30", checks::of(&[Protocol::ICMP, Protocol::ICMPV6]), 0x30),
        ] {
            let marked = |filter: &Filter| -> Result<(usize, usize)> {
                let flows = table(filter)?;
                Ok((flows.len(), flows.iter().filter(|flow| flow.mark == Some(Mark(mark))).count()))
            };
            self.until(PATIENCE, || marked(&filter).map(|(all, right)| all == right))?;
            let (all, right) = marked(&filter)?;
            self.check(claim, format!("{right} of {all} in the table"), all > 0 && all == right)?;
        }
        Ok(())
    }

    fn ban(&mut self) -> Result<()> {
        self.view.act("2. ban-follower: a ban ends what is established")?;
        let [intruder, intruder6] = INTRUDER;
        let [server, server6] = SERVER;
        let download = |from, to| self.lab.client().transfer(from, SocketAddr::new(to, DOWNLOAD));
        let [good, bad, bad6] =
            [download(GUEST[0], server)?, download(intruder, server)?, download(intruder6, server6)?];
        let managed = self.lab.client().hold(MANAGEMENT.into(), SocketAddr::new(server, WEB))?;
        self.until(PATIENCE, || Ok([&good, &bad, &bad6].iter().all(|transfer| transfer.received() > 0)))?;
        self.view.say("three downloads are running, two of them by an intruder")?;

        let (sent, took) = self.daemon.send("ban-follower", &format!("ban {intruder} for 60"))?;
        self.view.say(&format!("ctwarden send ban-follower \"ban {intruder} for 60\": {sent}"))?;
        let left = table(&checks::with(intruder))?.len();
        self.check(
            "a ban ends the flows at once",
            format!("{left} left after {:.1} ms", took.as_secs_f64() * 1e3),
            left == 0,
        )?;
        self.stalled("the banned download has stalled", &bad)?;
        let again = self.lab.client().hold(intruder, SocketAddr::new(server, WEB));
        self.check("the banned address cannot come back", answer(&again), again.is_err())?;

        let network = "2001:db8:c::60/124";
        self.files.ban_in_file(network)?;
        self.view.say(&format!("written into the ban list: {network}"))?;
        self.until(PATIENCE, || Ok(table(&checks::with(intruder6))?.is_empty()))?;
        self.stalled("a network in the ban list ends IPv6, too", &bad6)?;

        let (sent, _) = self.daemon.send("ban-follower", &format!("ban {MANAGEMENT} for 60"))?;
        self.view.say(&format!("somebody bans the protected management host: {sent}"))?;
        let exchange = managed.exchange(Duration::from_secs(1));
        let found = exchange.as_ref().map_or_else(ToString::to_string, |time| format!("answered in {time:.1?}"));
        self.check("a protected host survives even a ban", found, exchange.is_ok())?;
        let idle = good.idle_for();
        self.check("nobody else was touched", format!("the other download's last data: {idle:.0?} ago"), idle < STALLED)
    }

    fn cap(&mut self) -> Result<()> {
        self.view.act("3. connection-cap: one source, so many connections and no more")?;
        let server = SocketAddr::new(SERVER[0], CAPPED_PORT);
        let client = self.lab.client();
        let try_some =
            |count: usize| -> Vec<Held> { (0..count).filter_map(|_| client.hold(GREEDY, server).ok()).collect() };
        // Several threads connect, because a refused connection blocks its thread.
        let held: Vec<Held> = thread::scope(|scope| {
            let parts: Vec<_> = (0..8).map(|_| scope.spawn(|| try_some(WANTED / 8))).collect();
            parts.into_iter().filter_map(|part| part.join().ok()).flatten().collect()
        });
        self.pump()?;
        let filter = checks::from_to(GREEDY, CAPPED_PORT);
        let cap = usize::try_from(CAP)?;
        self.until(PATIENCE, || Ok(table(&filter)?.len() <= cap))?;
        let entries = table(&filter)?.len();
        self.check(
            "a greedy source is held at 20 connections",
            format!("{entries} in the table, {WANTED} tried"),
            entries <= cap,
        )?;
        let wait = Duration::from_millis(300);
        let alive = thread::scope(|scope| {
            let asked: Vec<_> = held.iter().map(|one| scope.spawn(move || one.exchange(wait).is_ok())).collect();
            asked.into_iter().filter_map(|one| one.join().ok()).filter(|answered| *answered).count()
        });
        self.check(
            "those go on, the newest over the cap do not",
            format!("{alive} answer"),
            alive == entries && alive > 0,
        )?;
        let calm = client.hold(GUEST[0], server).map(|one| one.exchange(Duration::from_secs(1)).is_ok());
        let calm = calm.is_ok_and(|answered| answered);
        self.check("another source is not held", if calm { "answered" } else { "no answer" }.to_owned(), calm)
    }

    /// Stops the daemon and prints the summary.
    fn end(mut self) -> Result<bool> {
        self.view.end_act()?;
        let status = self.daemon.status()?;
        let rest = self.daemon.stop()?;
        self.verdicts += rest.iter().filter(|record| is_verdict(record)).count() as u64;
        let counted = status.verdicts();
        let claim = "every verdict has one record";
        let check = Check {
            claim,
            found: format!("{counted} verdicts, {} records", self.verdicts),
            held: self.verdicts == counted,
        };
        self.view.check(&check)?;
        self.checks.push(check);
        self.view.summary(&self.checks, &status)?;
        Ok(self.checks.iter().all(|check| check.held))
    }

    fn stalled(&mut self, claim: &'static str, transfer: &Transfer) -> Result<()> {
        self.until(PATIENCE, || Ok(transfer.idle_for() >= STALLED))?;
        let idle = transfer.idle_for();
        self.check(claim, format!("no data for {idle:.1?} after {} KiB", transfer.received() >> 10), idle >= STALLED)
    }

    fn check(&mut self, claim: &'static str, found: String, held: bool) -> Result<()> {
        self.pump()?;
        let check = Check { claim, found, held };
        self.view.check(&check)?;
        self.checks.push(check);
        Ok(())
    }

    /// Prints the daemon's records until the condition holds or the time has passed.
    fn until(&mut self, time: Duration, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
        let since = Instant::now();
        while !is_so()? && since.elapsed() < time {
            self.pump()?;
            thread::sleep(Duration::from_millis(10));
        }
        self.pump()
    }

    /// Prints the records that the daemon has written since the last call.
    fn pump(&mut self) -> Result<()> {
        if self.interrupts.is_noted() {
            bail!("interrupted");
        }
        if self.daemon.has_ended() {
            bail!("the daemon ended before the demo did");
        }
        while let Some(record) = self.daemon.record()? {
            self.verdicts += u64::from(is_verdict(&record));
            self.view.record(&record)?;
        }
        Ok(())
    }
}

fn is_verdict(record: &Value) -> bool {
    record.get("record").and_then(Value::as_str) == Some("verdict")
}

fn answer<T>(connected: &Result<T, TrafficError>) -> String {
    match connected {
        Ok(_) => "it connected".to_owned(),
        Err(_) => "no connection within a second".to_owned(),
    }
}

//! An FTP control connection with the kernel's helper: the simplest way to get expectations and flows with a master.
//!
//! Only a helper that reads real packets creates the expectations that users have. `conntrack -I expect` is no
//! shortcut: it also needs a master with a helper.

use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;

use crate::nftables::try_load;
use crate::privilege::skip;
use crate::traffic::Tcp;

/// A client and a server with an FTP control connection, at port 21.
#[derive(Debug)]
pub struct Ftp {
    pub control: Tcp,
    server: Ipv4Addr,
}

impl Ftp {
    /// Connects, and sends the greeting of the server. Returns `None` if the kernel has no FTP helper, and reports the
    /// skip.
    #[must_use]
    pub fn new(client: &str, server: &str) -> Option<Self> {
        let rules = "table inet h { ct helper ftp-standard { type \"ftp\" protocol tcp; };
            chain pre { type filter hook output priority -100; tcp dport 21 ct helper set \"ftp-standard\"; }; }";
        if let Err(why) = try_load(rules) {
            skip(&format!("this kernel has no FTP helper: {why}"));
            return None;
        }
        let address = server.parse().expect("the server has an IPv4 address");
        let mut ftp = Self { control: Tcp::connect(client, server, 21), server: address };
        // The helper reads each direction from its second line on, because it has to know where lines begin.
        ftp.say("220 ready\r\n");
        Some(ftp)
    }

    fn say(&mut self, line: &str) {
        self.control.server.write_all(line.as_bytes()).expect("the client is there");
        let mut read = String::new();
        BufReader::new(&self.control.client).read_line(&mut read).expect("the server is there");
        assert_eq!(read, line);
    }

    /// Lets the server offer a port for data. The kernel then expects a connection to that port.
    pub fn offer(&mut self, port: u16) {
        let [high, low] = port.to_be_bytes();
        let [a, b, c, d] = self.server.octets();
        self.say(&format!("227 Entering Passive Mode ({a},{b},{c},{d},{high},{low})\r\n"));
    }
}

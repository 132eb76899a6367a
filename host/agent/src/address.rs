//! Addresses on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where metrics are served. Metrics are for this machine only: whoever forwards them decides who may read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MetricsAddress {
    Unix(PathBuf),
    Loopback(SocketAddr),
}

impl FromStr for MetricsAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        let address: SocketAddr = text
            .parse()
            .map_err(|_| format!("\"{text}\" is no address; write unix:PATH, or one such as 127.0.0.1:9469"))?;
        if !address.ip().is_loopback() {
            return Err(format!("{address} is no loopback address; use 127.0.0.1 or ::1, and a proxy for others"));
        }
        Ok(Self::Loopback(address))
    }
}

/// Where records go as RFC 5424.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SyslogAddress {
    /// A datagram socket, such as `/dev/log`.
    Unix(PathBuf),
    Udp(String),
    Tcp(String),
}

impl FromStr for SyslogAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let has_port =
            rest.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        match kind {
            "unix" if !rest.is_empty() => Ok(Self::Unix(rest.into())),
            "udp" if has_port => Ok(Self::Udp(rest.to_owned())),
            "tcp" if has_port => Ok(Self::Tcp(rest.to_owned())),
            _ => Err(format!("\"{text}\" is no address; write unix:PATH, udp:ADDRESS:PORT or tcp:ADDRESS:PORT")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_stay_on_the_machine() {
        assert_eq!("unix:/run/m".parse(), Ok(MetricsAddress::Unix("/run/m".into())));
        assert_eq!("[::1]:9".parse(), Ok(MetricsAddress::Loopback("[::1]:9".parse().unwrap())));
        assert!("0.0.0.0:9".parse::<MetricsAddress>().unwrap_err().contains("no loopback address"));
        for wrong in ["", "unix:", "127.0.0.1", "localhost:9"] {
            assert!(wrong.parse::<MetricsAddress>().unwrap_err().contains("is no address"), "{wrong}");
        }
    }

    #[test]
    fn a_syslog_address_has_its_kind_and_port() {
        assert_eq!("unix:/dev/log".parse(), Ok(SyslogAddress::Unix("/dev/log".into())));
        assert_eq!("udp:[2001:db8::1]:514".parse(), Ok(SyslogAddress::Udp("[2001:db8::1]:514".into())));
        assert_eq!("tcp:log.example:601".parse(), Ok(SyslogAddress::Tcp("log.example:601".into())));
        for wrong in ["", "/dev/log", "udp:log.example", "udp::514", "tls:a:1", "unix:"] {
            assert!(wrong.parse::<SyslogAddress>().is_err(), "{wrong}");
        }
    }
}

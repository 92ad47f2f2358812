//! Why one side of a link does not believe the other, in words for an operator.

use rustls::{AlertDescription, CertificateError, Error};

/// What an error of TLS means for a link between two nodes.
pub(super) fn told(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(why) => its_certificate(why),
        Error::AlertReceived(alert) => its_words(*alert),
        Error::InvalidMessage(_) => "it does not speak TLS".into(),
        Error::PeerIncompatible(_) => "it does not speak TLS 1.3".into(),
        other => other.to_string(),
    }
}

fn its_certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate was issued by another authority than ours".into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired, or a clock is wrong".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet, or a clock is wrong".into()
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            // They come as the library shows its own types, such as DnsName("hv2").
            let name =
                |shown: &String| shown.trim_start_matches("DnsName(\"").trim_end_matches("\")").to_owned();
            let names: Vec<String> = presented.iter().map(name).collect();
            format!("its certificate is for {}, so it is another node", names.join(", "))
        }
        CertificateError::NotValidForName => "its certificate is for another node".into(),
        other => format!("its certificate is not accepted: {other}"),
    }
}

fn its_words(alert: AlertDescription) -> String {
    let why = match alert {
        AlertDescription::UnknownCA | AlertDescription::DecryptError => {
            "our certificate was issued by another authority than its own"
        }
        AlertDescription::CertificateExpired => "our certificate has expired, or a clock is wrong",
        AlertDescription::CertificateRequired => "we have no certificate",
        AlertDescription::UnsupportedCertificate => "our certificate is not one for clients",
        AlertDescription::ProtocolVersion => "it does not speak TLS 1.3",
        other => return format!("it refused the link with the alert {other:?}"),
    };
    format!("it says that {why}")
}

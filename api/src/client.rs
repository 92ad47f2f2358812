//! The blocking client: asks one API, reads its answer or follows its stream, and says in sentences what went wrong.
//!
//! TLS takes the process's default provider, so whoever asks an `https` endpoint installs one first; a plain endpoint
//! builds no TLS at all. Reads are tried again when the API cannot be reached or says that it is not ready; writes never are.

use std::io::Read;
use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::http;
use ureq::tls::TlsConfig;

mod endpoint;
mod error;
mod request;
mod roots;

pub use endpoint::{Endpoint, Scheme, Trust};
pub use error::Error;
pub use request::{Method, Request};

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the API may think about an answer, and how long each part of it may then take to arrive.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the API may take for a part of an upload, and for what it does with the whole of it.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(1800);
/// What parts the file of an upload from what is around it. That the file may hold it by chance does no harm: its
/// length is told.
const BOUNDARY: &str = "pvc-a0b3cf0e5d5f4f6c9d4c8f1f2f7c3b11";
/// The largest answer that is read: 10,000 VMs with their documents are 100 MB.
const ANSWER_BYTES_MAX: u64 = 1 << 30;
/// What is read and what is written at a time. Buffers are filled with zeros when a connection is opened, and with larger
/// ones that takes longer than what is asked of an API nearby.
const BUFFER_BYTES: usize = 16 << 10;
/// The same for an upload, which is worth it, and for an address that does not fit: the buffer holds it whole.
const LARGE_BUFFER_BYTES: usize = 128 << 10;
/// What an address may be long to fit beside the rest of its line.
const SHORT_ADDRESS_BYTES_MAX: usize = BUFFER_BYTES / 2;
/// How often a read is tried.
const TRIES: u32 = 3;
/// Between two tries.
const TRY_PAUSE: Duration = Duration::from_millis(200);

/// How fast a body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// As fast as it can.
    Answers,
    /// Whenever there is something to tell.
    Events,
    /// Once all of a file has been sent and taken in.
    Uploads,
}

/// What the API answered, with a status of success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    asked: String,
    status: u16,
    text: String,
}

impl Answer {
    /// The HTTP status, 200 to 299.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body as it came.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The body as a value.
    ///
    /// # Errors
    /// [`Error::NoAnswerOfPvc`] when it is not of this shape.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.text).map_err(|source| Error::NoAnswerOfPvc {
            asked: self.asked.clone(),
            status: self.status,
            source: Some(source),
        })
    }

    /// The sentence for the operator, one line per parameter; empty when there is none.
    #[must_use]
    pub fn message(&self) -> String {
        serde_json::from_str(&self.text).ok().and_then(|body| crate::message_text(&body)).unwrap_or_default()
    }
}

/// A client of one API.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    agent: ureq::Agent,
}

impl Client {
    /// A client of the API at `endpoint`. Nothing is connected yet.
    ///
    /// # Errors
    /// [`Error::Certificates`] when the machine's root certificates are needed and cannot be read.
    pub fn new(endpoint: Endpoint) -> Result<Self, Error> {
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // The API is reached inside the administrator's own networks, where a proxy for the web is in the way.
            .proxy(None)
            .user_agent(concat!("pvc/", env!("CARGO_PKG_VERSION")))
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .timeout_per_read(Some(ANSWER_TIMEOUT))
            .timeout_per_write(Some(ANSWER_TIMEOUT));
        if endpoint.scheme == Scheme::Https {
            let tls = TlsConfig::builder();
            config = config.tls_config(match endpoint.trust {
                Trust::Anyone => tls.disable_verification(true).build(),
                Trust::System => tls.root_certs(roots::system()?).build(),
            });
        }
        Ok(Self { endpoint, agent: config.build().into() })
    }

    /// The API that it asks.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks, and reads the whole answer.
    ///
    /// # Errors
    /// [`Error`] when there is no answer, or when it is a refusal.
    pub fn ask(&self, request: &Request) -> Result<Answer, Error> {
        let mut tries = if request.method == Method::Get { TRIES } else { 1 };
        loop {
            tries -= 1;
            match self.ask_once(request) {
                Err(error) if tries > 0 && error.may_pass() => std::thread::sleep(TRY_PAUSE),
                outcome => return outcome,
            }
        }
    }

    /// Asks, and reads the answer as a value.
    ///
    /// # Errors
    /// As [`Client::ask`] and [`Answer::parse`].
    pub fn read<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Error> {
        self.ask(request)?.parse()
    }

    /// Asks for a stream, and hands over what arrives as it arrives. It may stay silent for as long as it likes.
    ///
    /// # Errors
    /// As [`Client::ask`]; the reader fails when the connection breaks.
    pub fn follow(&self, request: &Request) -> Result<Box<dyn Read + Send>, Error> {
        let response = self.send(request, Pace::Events)?;
        let status = response.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(Box::new(response.into_body().into_with_config().limit(u64::MAX).reader()));
        }
        Err(self.refusal(request, status, &self.body(request, response)?))
    }

    /// Sends `size_bytes` of a source along with a request, as the part `file` of a form. The API may refuse before
    /// anything of it is sent.
    ///
    /// # Errors
    /// As [`Client::ask`]; also when the source ends before it should.
    pub fn upload(
        &self,
        request: &Request,
        size_bytes: u64,
        source: &mut impl Read,
    ) -> Result<Answer, Error> {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"image\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let tail = format!("\r\n--{BOUNDARY}--\r\n");
        let length = size_bytes + (head.len() + tail.len()) as u64;
        let message = self
            .message(request)
            .header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"))
            .header("Content-Length", length)
            .header("Expect", "100-continue");
        let mut body = head.as_bytes().chain(source.take(size_bytes)).chain(tail.as_bytes());
        let message = message.body(ureq::SendBody::from_reader(&mut body));
        let message = message.map_err(|source| Error::BadRequest { asked: self.asked(request), source })?;
        let response = self.run(message, Pace::Uploads);
        self.answered(request, response.map_err(|source| self.unreachable(request, source))?)
    }

    fn ask_once(&self, request: &Request) -> Result<Answer, Error> {
        self.answered(request, self.send(request, Pace::Answers)?)
    }

    fn answered(&self, request: &Request, response: http::Response<ureq::Body>) -> Result<Answer, Error> {
        let status = response.status().as_u16();
        let text = self.body(request, response)?;
        if (200..300).contains(&status) {
            Ok(Answer { asked: self.asked(request), status, text })
        } else {
            Err(self.refusal(request, status, &text))
        }
    }

    /// The request without a body.
    fn message(&self, request: &Request) -> http::request::Builder {
        let message = http::Request::builder()
            .method(request.method.name())
            .uri(format!("{}{}", self.endpoint.base(), request.target()))
            .header("Accept", "application/json, text/plain");
        match &self.endpoint.token {
            Some(token) => message.header("X-Api-Key", token),
            None => message,
        }
    }

    fn send(&self, request: &Request, pace: Pace) -> Result<http::Response<ureq::Body>, Error> {
        let mut message = self.message(request);
        let body = request.body();
        if body.is_some() {
            message = message.header("Content-Type", "application/json");
        }
        let broken = |source| Error::BadRequest { asked: self.asked(request), source };
        // The length is told even where there is nothing to send: some servers insist on it.
        let outcome = if request.method == Method::Get && body.is_none() {
            self.run(message.body(()).map_err(broken)?, pace)
        } else {
            self.run(message.body(body.unwrap_or_default()).map_err(broken)?, pace)
        };
        outcome.map_err(|source| self.unreachable(request, source))
    }

    fn run(
        &self,
        message: http::Request<impl ureq::AsSendBody>,
        pace: Pace,
    ) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let address_bytes = message.uri().path_and_query().map_or(0, |address| address.as_str().len());
        match pace {
            Pace::Answers if address_bytes <= SHORT_ADDRESS_BYTES_MAX => self.agent.run(message),
            Pace::Answers => self
                .agent
                .run(self.agent.configure_request(message).output_buffer_size(LARGE_BUFFER_BYTES).build()),
            Pace::Events => {
                self.agent.run(self.agent.configure_request(message).timeout_per_read(None).build())
            }
            Pace::Uploads => self.agent.run(
                self.agent
                    .configure_request(message)
                    .input_buffer_size(LARGE_BUFFER_BYTES)
                    .output_buffer_size(LARGE_BUFFER_BYTES)
                    .timeout_per_write(Some(UPLOAD_TIMEOUT))
                    .timeout_recv_response(Some(UPLOAD_TIMEOUT))
                    .build(),
            ),
        }
    }

    fn body(&self, request: &Request, response: http::Response<ureq::Body>) -> Result<String, Error> {
        let body = response.into_body().into_with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let bytes = body.map_err(|source| self.unreachable(request, source))?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|wrong| String::from_utf8_lossy(wrong.as_bytes()).into()))
    }

    fn asked(&self, request: &Request) -> String {
        format!("{} {}{}", request.method.name(), self.endpoint.base(), request.path())
    }

    fn unreachable(&self, request: &Request, source: ureq::Error) -> Error {
        Error::unreachable(self.asked(request), &self.endpoint, source)
    }

    fn refusal(&self, request: &Request, status: u16, text: &str) -> Error {
        Error::refusal(self.asked(request), &self.endpoint, status, text)
    }
}

#[cfg(test)]
mod tests;

//! Requests to the API over plain HTTP, as small as measurements and checks need them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none; the body is part of the error.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.body)
            .with_context(|| format!("status {}, no JSON: {}", self.status, self.body))
    }
}

/// One connection, kept open from request to request.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    address: String,
    token: String,
}

impl Connection {
    /// Connects to `address` (host and port) and shows `token` with each request.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(address: &str, token: &str) -> Result<Self> {
        // A machine that is off does not even refuse.
        let at = address.to_socket_addrs()?.next().with_context(|| format!("{address} is no address"))?;
        let stream = TcpStream::connect_timeout(&at, Duration::from_secs(10))
            .with_context(|| format!("nobody listens on {address}"))?;
        stream.set_nodelay(true)?;
        // Longer than the API itself waits for anything: an end that it names must not be missed by a moment.
        stream.set_read_timeout(Some(Duration::from_secs(90)))?;
        Ok(Self { stream: BufReader::new(stream), address: address.into(), token: token.into() })
    }

    /// Sends one request and reads its answer. `form` is the body, already encoded.
    ///
    /// # Errors
    /// When the connection breaks or what comes back is no HTTP.
    pub fn request(&mut self, method: &str, path: &str, form: &str) -> Result<Answer> {
        let Self { address, token, .. } = self;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nX-Api-Key: {token}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            form.len()
        );
        let stream = self.stream.get_mut();
        stream.write_all(&[head.as_bytes(), form.as_bytes()].concat())?;
        self.answer().with_context(|| format!("{method} {path}"))
    }

    fn answer(&mut self) -> Result<Answer> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status line")?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line()?.to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
        }
        let bytes = if chunked { self.chunks()? } else { self.bytes(length)? };
        Ok(Answer { status, body: String::from_utf8_lossy(&bytes).into_owned() })
    }

    fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let length = usize::from_str_radix(self.line()?.trim(), 16).context("no length of a chunk")?;
            let chunk = self.bytes(length)?;
            self.line()?;
            if length == 0 {
                return Ok(all);
            }
            all.extend(chunk);
        }
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the connection was closed");
        }
        Ok(line.trim_end().to_owned())
    }
}

/// One request on a connection of its own.
///
/// # Errors
/// As [`Connection::request`].
pub fn once(address: &str, token: &str, method: &str, path: &str) -> Result<Answer> {
    Connection::open(address, token)?.request(method, path, "")
}

/// Text as it may stand in a form.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests;

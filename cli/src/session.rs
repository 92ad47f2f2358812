//! What every command works with: the global options, the screen, and the API that the connection leads to.

use std::cell::{Cell, OnceCell};
use std::error::Error as _;
use std::io::Read;

use api::client::{Answer, Client, Endpoint, Request, Scheme};
use serde::de::DeserializeOwned;

use crate::args::Global;
use crate::connection::{self, Connections};
use crate::failure::Failure;
use crate::print::Screen;

/// One run of the command.
#[derive(Debug)]
pub(crate) struct Session {
    global: Global,
    /// Where results and notes go.
    pub(crate) screen: Screen,
    clients: OnceCell<Vec<Client>>,
    /// Which of them answered last.
    answering: Cell<usize>,
}

impl Session {
    pub(crate) fn new(global: Global) -> Self {
        let screen = Screen::new(&global);
        Self { global, screen, clients: OnceCell::new(), answering: Cell::new(0) }
    }

    /// Whether the user has said yes to everything.
    pub(crate) fn is_unsafe(&self) -> bool {
        self.global.unsafe_
    }

    /// The connections that the user has, with the local one.
    pub(crate) fn connections(&self) -> Result<Connections, Failure> {
        Ok(Connections::load(connection::directory().as_deref())?)
    }

    /// Asks the API of the connection.
    pub(crate) fn ask(&self, request: &Request) -> Result<Answer, Failure> {
        self.with_client(request, |client| client.ask(request))
    }

    /// Asks, and reads the answer as a value.
    pub(crate) fn read<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Failure> {
        Ok(self.ask(request)?.parse()?)
    }

    /// Asks for something to be done, and shows what the API says to it.
    pub(crate) fn order(&self, request: &Request) -> Result<(), Failure> {
        let answer = self.ask(request)?;
        let message = answer.message();
        self.screen.show(if message.is_empty() { "Done." } else { &message })
    }

    /// Asks for a stream.
    pub(crate) fn follow(&self, request: &Request) -> Result<Box<dyn Read + Send>, Failure> {
        self.with_client(request, |client| client.follow(request))
    }

    /// Sends a file along with a request, of which it is the part `file`. What has been read of it cannot be sent
    /// again, so that the first API that is reached is the only one.
    pub(crate) fn upload(
        &self,
        request: &Request,
        size_bytes: u64,
        source: impl Read,
    ) -> Result<Answer, Failure> {
        let clients = self.clients()?;
        let mut body = Some(source);
        let mut failure = None;
        for client in clients {
            self.trace(client, request);
            let mut source = body.take().expect("it is given back where nobody was reached");
            match client.upload(request, size_bytes, &mut source) {
                Err(error) if error.reached_nobody() => failure = failure.or(Some(error)),
                outcome => return Ok(outcome?),
            }
            body = Some(source);
        }
        Err(failure.expect("there is at least one API, and it failed").into())
    }

    /// Tells the user why the command failed, with the causes that help; with `--debug`, with all of them.
    pub(crate) fn complain(&self, failure: &Failure) {
        let mut text = failure.to_string();
        if let Failure::Api(error) = failure
            && self.global.debug
        {
            let asked = error.asked().map(|asked| format!("\n  asked: {asked}")).unwrap_or_default();
            let status = error.status().map(|status| format!("\n  status: {status}")).unwrap_or_default();
            text += &(asked + &status);
        }
        if self.global.debug || failure.has_causes_to_tell() {
            let mut cause = failure.source();
            while let Some(error) = cause {
                text += &format!("\n  because: {error}");
                cause = error.source();
            }
        }
        self.screen.error(&text);
    }

    /// Asks the API of the connection; where it is not reached at all, another one of the same cluster. What may have
    /// been asked already is not asked again.
    fn with_client<T>(
        &self,
        request: &Request,
        ask: impl Fn(&Client) -> Result<T, api::client::Error>,
    ) -> Result<T, Failure> {
        let clients = self.clients()?;
        let first = self.answering.get();
        let mut failure = None;
        for turn in 0..clients.len() {
            let place = (first + turn) % clients.len();
            self.trace(&clients[place], request);
            match ask(&clients[place]) {
                Err(error) if error.reached_nobody() => failure = failure.or(Some(error)),
                outcome => {
                    self.answering.set(place);
                    return Ok(outcome?);
                }
            }
        }
        Err(failure.expect("there is at least one API, and it failed").into())
    }

    fn clients(&self) -> Result<&[Client], Failure> {
        if let Some(clients) = self.clients.get() {
            return Ok(clients);
        }
        let name = self.global.connection.as_deref().unwrap_or(connection::LOCAL);
        let endpoints = self.connections()?.endpoints(name)?;
        self.screen.announce(name, &endpoints[0]);
        let clients = endpoints.into_iter().map(connect).collect::<Result<Vec<_>, _>>()?;
        Ok(self.clients.get_or_init(|| clients))
    }

    fn trace(&self, client: &Client, request: &Request) {
        if self.global.debug {
            self.screen.note(&format!("asking {}: {request}", client.endpoint()));
        }
    }
}

/// A client of this API. The cryptography behind TLS is set up only for an API that speaks it.
pub(crate) fn connect(endpoint: Endpoint) -> Result<Client, Failure> {
    if endpoint.scheme == Scheme::Https {
        // A second call finds the same provider installed, which is as good.
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
    Ok(Client::new(endpoint)?)
}

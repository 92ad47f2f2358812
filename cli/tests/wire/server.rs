//! A server that answers what the test has told it to, remembers what it was asked, and ends with the test.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::contract;

/// What is asked to end the server.
const END: &str = "END\r\n\r\n";

/// One answer to one question; the last answer to a question is given as often as it is asked.
#[derive(Clone, Debug)]
struct Answer {
    question: String,
    status: &'static str,
    body: String,
}

/// The server.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

/// What the server will answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script(Vec<Answer>);

impl Script {
    /// Answers `question`, a method and a path below `/api/v1` with its parameters, with a status and a body.
    pub(crate) fn answer(mut self, question: &str, status: &'static str, body: impl Into<String>) -> Self {
        self.0.push(Answer { question: question.into(), status, body: body.into() });
        self
    }

    /// Answers with status 200 and a recorded answer.
    pub(crate) fn recorded(self, question: &str, name: &str) -> Self {
        let text = recorded(name);
        self.answer(question, "200 OK", text)
    }

    /// Answers with status 200 and a message.
    pub(crate) fn done(self, question: &str, message: &str) -> Self {
        self.answer(question, "200 OK", format!("{{\"message\": \"{message}\"}}"))
    }

    /// Begins to serve.
    pub(crate) fn serve(self) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let thread = std::thread::spawn(move || {
            let mut answers = self.0;
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let Some(request) = read_request(&mut BufReader::new(&stream)) else { break };
                assert_eq!(contract::finding(&request), None);
                let text = respond(&mut answers, &request);
                log.lock().unwrap().push(request);
                // The other side may have gone away already, which is its own affair.
                let _unread = (&stream).write_all(text.as_bytes());
            }
        });
        Server { address, asked, thread: Some(thread) }
    }
}

impl Server {
    /// What was asked so far: method, target, and the body on a line of its own where there is one.
    pub(crate) fn asked(&self) -> Vec<String> {
        let short = |request: &String| {
            let line = request.lines().next().unwrap();
            let line = line.trim_end_matches(" HTTP/1.1").replace(" /api/v1", " ");
            match request.split_once("\r\n\r\n").unwrap().1 {
                "" => line,
                body => format!("{line}\n{body}"),
            }
        };
        self.asked.lock().unwrap().iter().map(short).collect()
    }

    /// The requests as they came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(self.address) {
            let _unread = stream.write_all(END.as_bytes());
        }
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join();
            assert!(outcome.is_ok() || std::thread::panicking(), "the server of the test has failed");
        }
    }
}

/// The text of an answer that PVC 1.0.3 gave.
pub(crate) fn recorded(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/fixtures").join(name);
    fs::read_to_string(path).unwrap()
}

/// One request, head and body; `None` at the end of the server.
pub(crate) fn read_request(reader: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap() == 0 {
            return None;
        }
    }
    if head == END {
        return None;
    }
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    Some(head + &String::from_utf8(body).unwrap())
}

/// An answer as HTTP.
pub(crate) fn http(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn respond(answers: &mut Vec<Answer>, request: &str) -> String {
    let line = request.lines().next().unwrap().trim_end_matches(" HTTP/1.1").replace(" /api/v1", " ");
    let fitting: Vec<usize> = (0..answers.len()).filter(|at| answers[*at].question == line).collect();
    match fitting.as_slice() {
        [] => http("500 Unexpected", &format!("{{\"message\": \"the test expects no {line}\"}}")),
        [only] => http(answers[*only].status, &answers[*only].body),
        [first, ..] => {
            let answer = answers.remove(*first);
            http(answer.status, &answer.body)
        }
    }
}

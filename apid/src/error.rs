//! What is answered when a request cannot be fulfilled: a status and a sentence that says why and what to do.

use std::collections::BTreeMap;

use api::{Message, ParameterMessage};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use logic::refusal::Refusal;
use logic::storage::StorageRefusal;
use logic::storage::benchmark::BenchmarkRefusal;
use logic::storage::osd::OsdRefusal;
use store::CommitError;
use utoipa::openapi::{Content, RefOr, Response as Described, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// Why a request is not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// It may not be done, or not as it was asked.
    #[error("{why}")]
    Refused {
        /// Why, and what to do.
        why: String,
    },
    /// A parameter is missing, unknown or wrong.
    #[error("{parameter}: {why}")]
    Parameter {
        /// Its name.
        parameter: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody who may ask this was recognised.
    #[error("{why}")]
    Unauthenticated {
        /// What was missing or wrong; never the token.
        why: &'static str,
    },
    /// The one thing that was asked for does not exist. It begins as clients of PVC 1.0 know it.
    #[error("{what} not found. There is no \"{name}\".")]
    Unknown {
        /// What kind of thing, as an operator calls it, with a capital letter.
        what: &'static str,
        /// What it was called.
        name: String,
    },
    /// Nothing of the kind that was asked for exists.
    #[error("{what} not found.")]
    NotFound {
        /// What kind of thing, as an operator calls it, with a capital letter.
        what: &'static str,
    },
    /// Others changed the same records again and again.
    #[error("{why}")]
    Conflict {
        /// What to do.
        why: String,
    },
    /// The body is longer than any request needs.
    #[error(
        "The request's body is longer than {bytes_max} bytes. The longest part of it is a VM's XML, of at most {xml_bytes_max} bytes."
    )]
    TooLong {
        /// The bound on the body.
        bytes_max: usize,
        /// The bound on the XML.
        xml_bytes_max: usize,
    },
    /// The body takes too long to arrive.
    #[error("The request's body did not arrive within {wait_s} s.")]
    Late {
        /// How long was waited.
        wait_s: u64,
    },
    /// The route is part of the contract, but what is behind it does not exist yet.
    #[error("{what} does not exist in this version of PVC yet.")]
    NotBuilt {
        /// What, at the beginning of a sentence.
        what: String,
    },
    /// Something that the answer needs does not answer itself.
    #[error("{why}")]
    Unavailable {
        /// What, why, and what to do.
        why: String,
    },
    /// A defect of this program.
    #[error(
        "The API met a defect of its own and did not answer. Its log has the details; please report them."
    )]
    Defect,
}

impl ApiError {
    /// A refusal in plain words.
    pub fn refused(why: impl Into<String>) -> Self {
        Self::Refused { why: why.into() }
    }

    /// A parameter with what is wrong with it.
    pub fn parameter(parameter: &str, why: impl Into<String>) -> Self {
        Self::Parameter { parameter: parameter.into(), why: why.into() }
    }

    /// One thing that does not exist; `what` is its kind, with a capital letter.
    pub fn unknown(what: &'static str, name: &str) -> Self {
        Self::Unknown { what, name: name.chars().take(80).collect() }
    }

    /// The status that the contract gives it.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Refused { .. } | Self::Parameter { .. } => StatusCode::BAD_REQUEST,
            Self::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
            Self::Unknown { .. } | Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Late { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::NotBuilt { .. } => StatusCode::NOT_IMPLEMENTED,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Defect => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The same, where the contract answers 400 to a request about something that does not exist.
    #[must_use]
    pub fn as_refusal(self) -> Self {
        match self {
            Self::Unknown { .. } | Self::NotFound { .. } => Self::refused(self.to_string()),
            other => other,
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::VmUnknown { vm } => Self::unknown("VM", &vm),
            Refusal::TaskUnknown { task } => Self::unknown("Task", &task.to_string()),
            Refusal::NotConfirmed { .. } => Self::parameter("yes-i-really-mean-it", refusal.to_string()),
            Refusal::Missing { parameter } => Self::parameter(parameter, "this parameter is required."),
            Refusal::Storage(StorageRefusal::Osd(OsdRefusal::Unknown { osd })) => {
                Self::unknown("OSD", &osd.to_string())
            }
            Refusal::Storage(StorageRefusal::Benchmark(BenchmarkRefusal::Unknown { name })) => {
                Self::unknown("Benchmark", &name)
            }
            Refusal::Storage(StorageRefusal::PoolUnknown { pool }) => Self::unknown("Pool", pool.as_str()),
            Refusal::Storage(StorageRefusal::VolumeUnknown { volume }) => {
                Self::unknown("Volume", &volume.to_string())
            }
            Refusal::Storage(StorageRefusal::SnapshotUnknown { snapshot }) => {
                Self::unknown("Snapshot", &snapshot.to_string())
            }
            other => Self::refused(other.to_string()),
        }
    }
}

impl From<CommitError> for ApiError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { key } => Self::Conflict {
                why: format!("{key} is being changed by others all the time, and nothing was written. Try again."),
            },
            CommitError::Unknown => Self::Unavailable {
                why: "The connection to the store was lost in the middle of the write, so it is not known whether it \
                      landed. Look before you ask again."
                    .into(),
            },
            CommitError::Failed(store::Error::Refused(oversize)) => {
                Self::refused(format!("Nothing was written: {oversize}."))
            }
            CommitError::Failed(error) => Self::Unavailable {
                why: format!("Nothing was written: {error}. Try again when the store is back."),
            },
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        match self {
            Self::Parameter { parameter, why } => {
                let message = BTreeMap::from([(parameter, why)]);
                (status, Json(ParameterMessage { message })).into_response()
            }
            other => (status, Json(Message { message: other.to_string() })).into_response(),
        }
    }
}

impl IntoResponses for ApiError {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        let told = [
            ("400", "Refused: a parameter is missing or wrong, or it may not be done now."),
            ("401", "No valid token or session."),
            ("404", "It does not exist."),
            ("408", "The body did not arrive in time."),
            ("409", "Others changed the same records again and again; nothing was written."),
            ("413", "The body is too long."),
            ("500", "A defect of the API."),
            ("503", "The store, or the node that is asked, does not answer."),
        ];
        let described = |(status, why): (&str, &str)| {
            let schema = utoipa::openapi::Ref::from_schema_name(Message::name());
            let content = Content::new(Some(schema));
            let response = ResponseBuilder::new().description(why).content("application/json", content);
            (status.to_owned(), RefOr::T(response.build()))
        };
        told.map(described).into()
    }
}

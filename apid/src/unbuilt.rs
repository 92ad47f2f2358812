//! The routes of the contract that nothing is behind yet: each answers 501, says what is missing, and is documented so.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::{OpenApi, Required, ResponseBuilder};

use crate::error::ApiError;

/// Path, methods, and what is missing, as the beginning of a sentence.
const ROUTES: &[(&str, &str, &str)] = &[
    ("/backup", "GET", "The backup of the cluster's records"),
    ("/restore", "POST", "The restoration of the cluster's records"),
    ("/faults", "GET PUT DELETE", "The list of faults"),
    ("/faults/{fault_id}", "GET PUT DELETE", "The list of faults"),
    ("/metrics", "GET", "The Prometheus export"),
    ("/metrics/resource", "GET", "The Prometheus export"),
    ("/metrics/ceph", "GET", "The Prometheus export"),
    ("/metrics/zookeeper", "GET", "The Prometheus export"),
    ("/vm/{vm}/backup", "POST DELETE", "The backup of VMs"),
    ("/vm/{vm}/restore", "POST", "The backup of VMs"),
    ("/vm/{vm}/snapshot", "POST DELETE", "Snapshots of VMs"),
    ("/vm/{vm}/snapshot/rollback", "POST", "Snapshots of VMs"),
    ("/vm/{vm}/snapshot/export", "POST", "Snapshots of VMs"),
    ("/vm/{vm}/snapshot/import", "POST", "Snapshots of VMs"),
    ("/vm/{vm}/snapshot/send", "POST", "Snapshots of VMs"),
    ("/vm/{vm}/snapshot/receive/block", "POST PUT PATCH", "Snapshots of VMs"),
    ("/vm/{vm}/snapshot/receive/config", "POST", "Snapshots of VMs"),
    ("/vm/{vm}/mirror/create", "POST", "Mirroring VMs to another cluster"),
    ("/vm/{vm}/mirror/promote", "POST", "Mirroring VMs to another cluster"),
    ("/vm/autobackup", "POST", "The backup of VMs"),
    ("/vm/automirror", "POST", "Mirroring VMs to another cluster"),
    ("/network", "GET POST", "The management of networks"),
    ("/network/{vni}", "GET POST PUT DELETE", "The management of networks"),
    ("/network/{vni}/lease", "GET POST", "The management of networks"),
    ("/network/{vni}/lease/{mac}", "GET POST DELETE", "The management of networks"),
    ("/network/{vni}/acl", "GET POST", "The management of networks"),
    ("/network/{vni}/acl/{description}", "GET POST DELETE", "The management of networks"),
    ("/sriov", "GET", "The management of SR-IOV"),
    ("/sriov/pf", "GET", "The management of SR-IOV"),
    ("/sriov/pf/{node}", "GET", "The management of SR-IOV"),
    ("/sriov/vf", "GET", "The management of SR-IOV"),
    ("/sriov/vf/{node}", "GET", "The management of SR-IOV"),
    ("/sriov/vf/{node}/{vf}", "GET PUT", "The management of SR-IOV"),
    ("/provisioner", "GET", "The provisioner"),
    ("/provisioner/template", "GET", "The provisioner"),
    ("/provisioner/template/system", "GET POST", "The provisioner"),
    ("/provisioner/template/system/{template}", "GET POST PUT DELETE", "The provisioner"),
    ("/provisioner/template/network", "GET POST", "The provisioner"),
    ("/provisioner/template/network/{template}", "GET POST DELETE", "The provisioner"),
    ("/provisioner/template/network/{template}/net", "GET POST", "The provisioner"),
    ("/provisioner/template/network/{template}/net/{vni}", "GET POST DELETE", "The provisioner"),
    ("/provisioner/template/storage", "GET POST", "The provisioner"),
    ("/provisioner/template/storage/{template}", "GET POST DELETE", "The provisioner"),
    ("/provisioner/template/storage/{template}/disk", "GET POST", "The provisioner"),
    ("/provisioner/template/storage/{template}/disk/{disk_id}", "GET POST DELETE", "The provisioner"),
    ("/provisioner/userdata", "GET POST", "The provisioner"),
    ("/provisioner/userdata/{userdata}", "GET POST PUT DELETE", "The provisioner"),
    ("/provisioner/script", "GET POST", "The provisioner"),
    ("/provisioner/script/{script}", "GET POST PUT DELETE", "The provisioner"),
    ("/provisioner/ova", "GET POST", "The provisioner"),
    ("/provisioner/ova/{ova}", "GET POST DELETE", "The provisioner"),
    ("/provisioner/profile", "GET POST", "The provisioner"),
    ("/provisioner/profile/{profile}", "GET POST PUT DELETE", "The provisioner"),
    ("/provisioner/create", "POST", "The provisioner"),
];

/// Every such route with its answers, to be added to a router that has no method of theirs yet.
pub fn routes<S: Clone + Send + Sync + 'static>() -> impl Iterator<Item = (&'static str, MethodRouter<S>)> {
    ROUTES.iter().map(|(path, methods, what)| {
        let mut router = MethodRouter::new();
        for method in methods.split(' ') {
            router = router.merge(on(filter(method), move |_: Request| answer(what)));
        }
        (*path, router)
    })
}

async fn answer(what: &'static str) -> Response {
    ApiError::NotBuilt { what: what.into() }.into_response()
}

/// Adds them to the document, whose paths begin with `base`.
pub fn describe(document: &mut OpenApi, base: &str) {
    for (path, methods, what) in ROUTES {
        for method in methods.split(' ') {
            let not_built = ResponseBuilder::new()
                .description(format!("{what} does not exist in this version of PVC yet."));
            let mut operation = OperationBuilder::new()
                .tag("not built yet")
                .summary(Some(format!("{what}: not built yet.")))
                .response("501", not_built);
            for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                operation = operation.parameter(
                    ParameterBuilder::new()
                        .name(name)
                        .parameter_in(ParameterIn::Path)
                        .required(Required::True)
                        .schema(Some(<String as utoipa::PartialSchema>::schema())),
                );
            }
            document.paths.add_path_operation(format!("{base}{path}"), vec![verb(method)], operation.build());
        }
    }
}

fn filter(method: &str) -> MethodFilter {
    match method {
        "GET" => MethodFilter::GET,
        "POST" => MethodFilter::POST,
        "PUT" => MethodFilter::PUT,
        "PATCH" => MethodFilter::PATCH,
        "DELETE" => MethodFilter::DELETE,
        other => unreachable!("the table has no method {other}"),
    }
}

fn verb(method: &str) -> HttpMethod {
    match method {
        "GET" => HttpMethod::Get,
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        other => unreachable!("the table has no method {other}"),
    }
}

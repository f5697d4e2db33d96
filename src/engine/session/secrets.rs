//! Hands secrets to the steps that mount them.

use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::Secrets;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use tonic::{Request, Response, Status};

use crate::engine::Grants;

/// The secrets that a build may have.
#[derive(Debug)]
pub(super) struct SecretStore(pub Grants);

#[tonic::async_trait]
impl Secrets for SecretStore {
    async fn get_secret(&self, request: Request<GetSecretRequest>) -> Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        match self.0.secret(&id) {
            Some(Ok(data)) => Ok(Response::new(GetSecretResponse { data })),
            Some(Err(error)) => Err(Status::unknown(error.to_string())),
            None => Err(Status::not_found(format!("not found: secret {id}"))),
        }
    }
}

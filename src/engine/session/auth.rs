//! Tells the builder the user's credentials for a registry. Tokens it fetches by itself: it does so where a client does not
//! offer to.

use bollard_buildkit_proto::moby::filesync::v1::auth_server::Auth as AuthService;
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use tonic::{Request, Response, Status};

use crate::engine::credentials;

/// The user's credentials.
#[derive(Debug)]
pub(super) struct Auth;

#[tonic::async_trait]
impl AuthService for Auth {
    async fn credentials(&self, request: Request<CredentialsRequest>) -> Result<Response<CredentialsResponse>, Status> {
        let found = credentials::of_registry(&request.into_inner().host).await;
        let found = found.map_err(|error| Status::unknown(error.to_string()))?;
        let (username, secret) = found.map(credentials::Credentials::into_parts).unwrap_or_default();
        Ok(Response::new(CredentialsResponse { username, secret }))
    }

    async fn fetch_token(&self, _: Request<FetchTokenRequest>) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("FetchToken"))
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("GetTokenAuthority"))
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("VerifyTokenAuthority"))
    }
}

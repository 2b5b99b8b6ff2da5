//! What is where.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::IntoResponse;
use axum::routing::{delete, get, post};
use axum::{Json, Router, middleware};

use super::exposition;
use super::guard::{HEALTH, Token, guard};
use super::problem::Refusal;
use crate::api::{
    Api, Code, ConnectRequest, Counter, Download, DownloadChange, GetRequest, Peer, Search,
    SearchRequest, Share, Status, Upload, Watch, WhatIf, WhatIfRequest, Wish, WishRequest,
};

/// The longest body of a request.
const MAX_BODY: usize = 64 << 10;

type Answer<T> = Result<T, Refusal>;
type Asked<T> = Result<Json<T>, JsonRejection>;
type Numbered = Result<Path<u64>, PathRejection>;
type Watched = Result<Query<Watch>, QueryRejection>;

/// All routes, behind the guard.
pub(super) fn router(api: Api, token: &str) -> Router {
    let routes = Router::new()
        .route("/status", get(status))
        .route("/peers", get(peers))
        .route("/counters", get(counters))
        .route("/whatif", get(whatif))
        .route("/connections", post(connect))
        .route("/browse", post(browse))
        .route("/searches", get(searches).post(search))
        .route("/searches/{id}", get(search_state).delete(cancel_search))
        .route("/downloads", get(downloads).post(fetch))
        .route(
            "/downloads/{id}",
            get(download).patch(change_download).delete(remove_download),
        )
        .route("/uploads", get(uploads))
        .route("/wishes", get(wishes).post(add_wish))
        .route("/wishes/{id}", delete(remove_wish))
        .route("/shares", get(shares))
        .route("/stop", post(stop));
    Router::new()
        .route(HEALTH, get(async || "ok\n"))
        .route("/metrics", get(metrics))
        .nest("/api/v1", routes)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(Token::new(token), guard))
        .with_state(api)
}

async fn status(State(api): State<Api>) -> Json<Status> {
    Json(api.status())
}

async fn peers(State(api): State<Api>) -> Json<Vec<Peer>> {
    Json(api.peers())
}

async fn counters(State(api): State<Api>) -> Json<Vec<Counter>> {
    Json(api.counters())
}

async fn whatif(
    State(api): State<Api>,
    asked: Result<Query<WhatIfRequest>, QueryRejection>,
) -> Answer<Json<Vec<WhatIf>>> {
    let Query(request) = asked?;
    Ok(Json(api.whatif(&request)?))
}

async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, exposition::CONTENT_TYPE)];
    (kind, exposition::of(&api.counters()))
}

async fn connect(State(api): State<Api>, asked: Asked<ConnectRequest>) -> Answer<StatusCode> {
    let Json(request) = asked?;
    api.connect(&request).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn searches(State(api): State<Api>) -> Json<Vec<Search>> {
    Json(api.searches())
}

async fn search(
    State(api): State<Api>,
    asked: Asked<SearchRequest>,
) -> Answer<(StatusCode, Json<Search>)> {
    let Json(request) = asked?;
    Ok((StatusCode::CREATED, Json(api.search(request)?)))
}

async fn browse(State(api): State<Api>, asked: Asked<ConnectRequest>) -> Answer<Json<Search>> {
    let Json(request) = asked?;
    Ok(Json(api.browse(&request).await?))
}

async fn search_state(
    State(api): State<Api>,
    id: Numbered,
    watch: Watched,
) -> Answer<Json<Search>> {
    let (Path(id), Query(watch)) = (id?, watch?);
    Ok(Json(api.search_state(id, watch).await?))
}

async fn cancel_search(State(api): State<Api>, id: Numbered) -> Answer<Json<Search>> {
    let Path(id) = id?;
    Ok(Json(api.cancel_search(id)?))
}

async fn downloads(State(api): State<Api>) -> Json<Vec<Download>> {
    Json(api.downloads())
}

async fn fetch(
    State(api): State<Api>,
    asked: Asked<GetRequest>,
) -> Answer<(StatusCode, Json<Download>)> {
    let Json(request) = asked?;
    Ok((StatusCode::CREATED, Json(api.get(request).await?)))
}

async fn download(State(api): State<Api>, id: Numbered, watch: Watched) -> Answer<Json<Download>> {
    let (Path(id), Query(watch)) = (id?, watch?);
    Ok(Json(api.download(id, watch).await?))
}

async fn change_download(
    State(api): State<Api>,
    id: Numbered,
    asked: Asked<DownloadChange>,
) -> Answer<Json<Download>> {
    let (Path(id), Json(change)) = (id?, asked?);
    Ok(Json(api.change_download(id, change)?))
}

async fn remove_download(State(api): State<Api>, id: Numbered) -> Answer<Json<Download>> {
    let Path(id) = id?;
    Ok(Json(api.remove_download(id)?))
}

async fn uploads(State(api): State<Api>) -> Json<Vec<Upload>> {
    Json(api.uploads())
}

async fn wishes(State(api): State<Api>) -> Json<Vec<Wish>> {
    Json(api.wishes())
}

async fn add_wish(
    State(api): State<Api>,
    asked: Asked<WishRequest>,
) -> Answer<(StatusCode, Json<Wish>)> {
    let Json(request) = asked?;
    Ok((StatusCode::CREATED, Json(api.add_wish(request).await?)))
}

async fn remove_wish(State(api): State<Api>, id: Numbered) -> Answer<Json<Wish>> {
    let Path(id) = id?;
    Ok(Json(api.remove_wish(id).await?))
}

async fn shares(State(api): State<Api>) -> Json<Vec<Share>> {
    Json(api.shares())
}

async fn stop(State(api): State<Api>) -> StatusCode {
    api.stop();
    StatusCode::ACCEPTED
}

async fn unknown(uri: Uri) -> Refusal {
    Refusal::new(
        Code::NotFound,
        format!("there is nothing at {}", uri.path()),
    )
}

async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    let message = format!("{method} is nothing to do with {}", uri.path());
    Refusal::new(Code::MethodNotAllowed, message)
}

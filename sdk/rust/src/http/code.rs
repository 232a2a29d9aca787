//! The meaning of the codes of `wasi:http` for an agent.

use super::Error;
use wasip2::http::types::ErrorCode;

/// The error for the host's code. Every case is named, so that a new case does not compile until it is handled.
pub(super) fn refused(code: ErrorCode) -> Error {
    match code {
        ErrorCode::HttpRequestDenied => Error::Refused,
        ErrorCode::DestinationIpProhibited => Error::Refused,
        ErrorCode::DnsTimeout => Error::Timeout { code: "DNS-timeout" },
        ErrorCode::ConnectionTimeout => Error::Timeout { code: "connection-timeout" },
        ErrorCode::ConnectionReadTimeout => Error::Timeout { code: "connection-read-timeout" },
        ErrorCode::ConnectionWriteTimeout => Error::Timeout { code: "connection-write-timeout" },
        ErrorCode::HttpResponseTimeout => Error::Timeout { code: "HTTP-response-timeout" },
        ErrorCode::DnsError(_) => Error::Connection { code: "DNS-error" },
        ErrorCode::DestinationNotFound => Error::Connection { code: "destination-not-found" },
        ErrorCode::DestinationUnavailable => Error::Connection { code: "destination-unavailable" },
        ErrorCode::DestinationIpUnroutable => Error::Connection { code: "destination-IP-unroutable" },
        ErrorCode::ConnectionRefused => Error::Connection { code: "connection-refused" },
        ErrorCode::ConnectionTerminated => Error::Connection { code: "connection-terminated" },
        ErrorCode::ConnectionLimitReached => Error::Connection { code: Error::LIMIT_REACHED },
        ErrorCode::TlsProtocolError => Error::Connection { code: "TLS-protocol-error" },
        ErrorCode::TlsCertificateError => Error::Connection { code: "TLS-certificate-error" },
        ErrorCode::TlsAlertReceived(_) => Error::Connection { code: "TLS-alert-received" },
        ErrorCode::HttpRequestLengthRequired => Error::malformed("its length is missing"),
        ErrorCode::HttpRequestMethodInvalid => Error::malformed("its method"),
        ErrorCode::HttpRequestUriInvalid => Error::malformed("its URL"),
        ErrorCode::HttpRequestUriTooLong => Error::TooLarge { code: "HTTP-request-URI-too-long" },
        ErrorCode::HttpRequestBodySize(_) => Error::TooLarge { code: "HTTP-request-body-size" },
        ErrorCode::HttpRequestHeaderSectionSize(_) => Error::TooLarge { code: "HTTP-request-header-section-size" },
        ErrorCode::HttpRequestHeaderSize(_) => Error::TooLarge { code: "HTTP-request-header-size" },
        ErrorCode::HttpRequestTrailerSectionSize(_) => Error::TooLarge { code: "HTTP-request-trailer-section-size" },
        ErrorCode::HttpRequestTrailerSize(_) => Error::TooLarge { code: "HTTP-request-trailer-size" },
        ErrorCode::HttpResponseHeaderSectionSize(_) => Error::TooLarge { code: "HTTP-response-header-section-size" },
        ErrorCode::HttpResponseHeaderSize(_) => Error::TooLarge { code: "HTTP-response-header-size" },
        ErrorCode::HttpResponseBodySize(_) => Error::TooLarge { code: "HTTP-response-body-size" },
        ErrorCode::HttpResponseTrailerSectionSize(_) => Error::TooLarge { code: "HTTP-response-trailer-section-size" },
        ErrorCode::HttpResponseTrailerSize(_) => Error::TooLarge { code: "HTTP-response-trailer-size" },
        ErrorCode::HttpResponseIncomplete => broken("HTTP-response-incomplete"),
        ErrorCode::HttpResponseTransferCoding(_) => broken("HTTP-response-transfer-coding"),
        ErrorCode::HttpResponseContentCoding(_) => broken("HTTP-response-content-coding"),
        ErrorCode::HttpUpgradeFailed => broken("HTTP-upgrade-failed"),
        ErrorCode::HttpProtocolError => broken("HTTP-protocol-error"),
        ErrorCode::LoopDetected => Error::Host { code: "loop-detected" },
        ErrorCode::ConfigurationError => Error::Host { code: "configuration-error" },
        ErrorCode::InternalError(_) => Error::Host { code: "internal-error" },
    }
}

const fn broken(code: &'static str) -> Error {
    Error::Protocol { code }
}

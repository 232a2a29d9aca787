// Serves oauth2-mock-server on a free port. The first line of output is the port; then there is a line for each request for a token.
// This file adds two things to the server: it checks the client's secret, and makes each token different.
import { OAuth2Server } from "oauth2-mock-server";

const expected = "Basic " + Buffer.from(`tester:${encodeURIComponent(process.env.CLIENT_SECRET)}`).toString("base64");
const server = new OAuth2Server();
await server.issuer.keys.generate("RS256");
let made = 0;
server.service.on("beforeTokenSigning", (token) => {
  made += 1;
  token.payload.jti = `token-${made}`;
});
server.service.on("beforeResponse", (answer, request) => {
  if (request.headers.authorization !== expected) {
    answer.statusCode = 401;
    answer.body = { error: "invalid_client", error_description: request.headers.authorization };
  }
  process.stdout.write(`${answer.statusCode} ${request.body.grant_type} ${request.body.scope ?? "-"}\n`);
});
await server.start(0, "127.0.0.1");
process.stdout.write(`${server.address().port}\n`);

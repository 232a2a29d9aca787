"""Tests what the client sends and how it reads answers: natively, and over fake bindings of `wasi:http`."""

import importlib
import io
import sys
import unittest

import bailiwick
from bailiwick import http, testing

from . import fake_wit
from .fake_wit import Err, World, case


class Shaping(unittest.TestCase):
    def prepared(self, *args, **how):
        return http.Request(*args, **how).prepare()

    def test_a_url_becomes_scheme_authority_and_path(self):
        got = self.prepared("get", "http://A.test:8080/a b/ü?x=1&y=%20#part", params={"q": "a&b", "l": [1, 2], "none": None})
        self.assertEqual((got.method, got.scheme, got.authority), ("GET", "http", "a.test:8080"))
        self.assertEqual(got.path, "/a%20b/%C3%BC?x=1&y=%20&q=a%26b&l=1&l=2")
        self.assertEqual(self.prepared("GET", "https://[::1]:1").authority, "[::1]:1")
        self.assertEqual(self.prepared("GET", "https://bücher.test").authority, "xn--bcher-kva.test")
        self.assertEqual(self.prepared("GET", "https://a.test", params="x=y z").path, "/?x=y%20z")

    def test_a_body_has_its_type_and_length(self):
        for how, body, kind in (
            ({"json": {"a": 1}}, b'{"a": 1}', "application/json"),
            ({"json": []}, b"[]", "application/json"),
            ({"data": {"a": "b c"}}, b"a=b+c", "application/x-www-form-urlencoded"),
            ({"data": "ä"}, "ä".encode(), None),
            ({"data": io.BytesIO(b"x")}, b"x", None),
        ):
            with self.subTest(how):
                got = self.prepared("POST", "http://a.test", **how)
                self.assertEqual((got.body, got.headers.get("Content-Type")), (body, kind))
                self.assertEqual(got.headers["content-length"], str(len(body)))
        own = self.prepared("POST", "http://a.test", json=1, headers={"Content-Type": "application/x"})
        self.assertEqual(own.headers.all("content-type"), ["application/x"])
        self.assertNotIn("content-length", self.prepared("GET", "http://a.test").headers)

    def test_what_can_not_be_sent_says_why(self):
        for args, how in (
            (("GET", "ftp://a.test"), {}),
            (("GET", "a.test/x"), {}),
            (("GET", "http://"), {}),
            (("GET", "http://a.test:99999/"), {}),
            (("G T", "http://a.test"), {}),
            (("POST", "http://a.test"), {"json": 1, "data": "x"}),
            (("POST", "http://a.test"), {"json": float("nan")}),
            (("POST", "http://a.test"), {"data": 7}),
            (("GET", "http://a.test"), {"timeout": 0}),
            (("GET", "http://a.test"), {"timeout": "1"}),
        ):
            with self.subTest(args=args, how=how), self.assertRaises(http.InvalidRequest):
                self.prepared(*args, **how)

    def test_credentials_belong_to_the_host(self):
        for how in ({"auth": ("user", "word")}, {"cookies": {"a": "b"}}, {"cert": "file"}):
            with self.assertRaisesRegex(http.InvalidRequest, "credentials belong to the host"):
                http.get("http://a.test", **how)
        with self.assertRaisesRegex(http.InvalidRequest, "credentials belong to the host") as caught:
            http.get("http://user:word@a.test")
        self.assertNotIn("word", str(caught.exception))
        with self.assertRaisesRegex(http.InvalidRequest, "credentials belong to the host"):
            http.Session().auth = ("user", "word")
        with self.assertRaises(http.InvalidRequest):
            http.get("http://a.test", verify=False)
        with self.assertRaises(http.InvalidRequest):
            http.get("http://a.test", allow_redirects=True)
        with self.assertRaises(TypeError):
            http.get("http://a.test", unheard_of=1)

    def test_a_timeout_is_one_number_or_two(self):
        self.assertEqual([self.prepared("GET", "http://a.test", timeout=given).timeout for given in (None, 2, (1, 2.5), (None, 3))], [None, 2.0, 3.5, 3.0])


class Answers(unittest.TestCase):
    def answered(self, *args, **how):
        with testing.answer_http(lambda request: testing.response(*args, **how)):
            return http.get("http://a.test/x")

    def test_an_answer_has_the_shape_that_people_know(self):
        got = self.answered(200, '{"a": "ü"}', {"Content-Type": "application/json", "x": "1"})
        self.assertEqual((got.status_code, got.ok, got.reason, got.url), (200, True, "OK", "http://a.test/x"))
        self.assertEqual((got.json(), got.headers["content-TYPE"], got.headers.get("none")), ({"a": "ü"}, "application/json", None))
        self.assertIsNone(got.raise_for_status())
        self.assertTrue(got)
        self.assertEqual(self.answered(200, "ü".encode("latin-1"), {"content-type": 'text/html; charset="iso-8859-1"'}).text, "ü")
        self.assertEqual(self.answered(200, b"\xff", {"content-type": "text/html; charset=unheard"}).text, "\ufffd")

    def test_a_status_from_400_on_is_an_error_only_where_asked(self):
        got = self.answered(404)
        self.assertFalse(got)
        with self.assertRaises(http.HTTPError) as caught:
            got.raise_for_status()
        self.assertIs(caught.exception.response, got)

    def test_a_redirect_is_an_answer(self):
        got = self.answered(302, headers={"location": "/y"})
        self.assertTrue(got.is_redirect and got.ok)

    def test_what_is_not_json_says_so(self):
        with self.assertRaises(http.JSONDecodeError):
            self.answered(200, "<html>").json()

    def test_without_an_answer_from_the_test_everything_is_refused(self):
        with self.assertRaises(bailiwick.Refused) as caught:
            http.get("http://a.test")
        self.assertEqual((caught.exception.code, caught.exception.hint), ("http-refused", None))
        self.assertIsInstance(caught.exception, http.RequestException)

    def test_lines_and_pieces(self):
        pieces = http.Response(200, [], iter([b"ab\r\nc", b"d\n", b"e"]))
        self.assertEqual(list(pieces.iter_lines()), [b"ab", b"cd", b"e"])
        self.assertEqual(list(http.Response(200, [], iter([b"abcd", b"e"])).iter_content(3)), [b"abc", b"d", b"e"])
        with self.assertRaises(RuntimeError):
            _ = pieces.content

    def test_a_session_groups_headers_and_nothing_else(self):
        with testing.answer_http(lambda request: testing.response()) as asked:
            session = http.Session()
            session.headers.update({"X-A": "1", "x-b": "2"})
            session.get("http://a.test", headers={"x-a": "3", "x-b": None})
            session.post("http://a.test", json=1)
        self.assertEqual((asked[0].headers["x-a"], "x-b" in asked[0].headers), ("3", False))
        self.assertEqual((asked[1].headers["x-a"], asked[1].headers["x-b"], asked[1].method), ("1", "2", "POST"))

    def test_gather_keeps_the_order_and_raises_when_all_are_over(self):
        def answer(request):
            if request.path == "/1":
                raise http.Timeout("late", "timeout")
            return testing.response(200, request.path)

        requests = [http.Request("GET", f"http://a.test/{index}") for index in range(3)] + [http.Request("GET", "no-url")]
        with testing.answer_http(answer) as asked:
            got = http.gather(requests, return_exceptions=True)
            self.assertEqual([getattr(one, "text", type(one).__name__) for one in got], ["/0", "Timeout", "/2", "InvalidRequest"])
            with self.assertRaises(http.Timeout):
                http.gather(requests)
        self.assertEqual(len(asked), 6)


class OverWasi(unittest.TestCase):
    """The transport itself, over fake bindings that are as strict as the host."""

    def setUp(self):
        fake_wit.install()
        World.reset()
        sys.modules.pop("bailiwick.http._wasi", None)
        self.wasi = importlib.import_module("bailiwick.http._wasi")

    def tearDown(self):
        sys.modules.pop("bailiwick.http._wasi", None)
        fake_wit.uninstall()

    def send(self, path="/x", method="GET", **how):
        return self.wasi.send(http.Request(method, f"https://a.test{path}", **how).prepare())

    def nothing_lives(self):
        # Resources that were passed to the host with a request are the host's.
        left = [type(one).__name__ for one in World.alive if type(one).__name__ not in ("OutgoingRequest", "RequestOptions")]
        self.assertEqual(left, [])

    def test_a_request_and_its_answer(self):
        World.answers["/x?a=1"] = (200, [("X-Said", b"one")], [b"", b"hel", b"", b"lo"])
        got = self.send("/x", "POST", params={"a": 1}, data=b"0123456789", headers={"x-asked": "y"}, timeout=2)
        self.assertEqual((got.status_code, got.headers["x-said"], got.content), (200, "one", b"hello"))
        asked = World.asked[0]
        self.assertEqual((type(asked.method).__name__, type(asked.scheme).__name__, asked.authority), ("Method_Post", "Scheme_Https", "a.test"))
        self.assertEqual((asked.content, asked.is_finished, asked.options.duration), (b"0123456789", True, 2_000_000_000))
        self.assertEqual(dict(asked.headers), {"x-asked": b"y", "content-length": b"10"})
        self.nothing_lives()

    def test_an_answer_that_is_not_read_is_let_go_of_in_order(self):
        World.answers["/x"] = (200, [], [b"a", b"b"])
        got = self.send()
        del got
        self.nothing_lives()
        got = self.send(timeout=1)
        pieces = got.iter_content()
        self.assertEqual(next(pieces), b"a")
        got.close()
        del got, pieces
        self.nothing_lives()

    def test_what_does_not_come_in_time_is_a_timeout(self):
        World.answers["/x"] = "never"
        with self.assertRaises(http.Timeout) as caught:
            self.send(timeout=1)
        self.assertEqual(caught.exception.code, "timeout")
        self.nothing_lives()
        World.answers["/x"] = (200, [], [b"a", "never"])
        got = self.send(timeout=1)
        with self.assertRaises(http.Timeout):
            _ = got.content
        self.nothing_lives()

    def test_each_code_is_one_of_the_exceptions(self):
        for name, kind, code in (
            ("HttpRequestDenied", http.Refused, "http-refused"),
            ("DestinationIpProhibited", http.Refused, "http-refused"),
            ("ConnectionRefused", http.ConnectionError, "connection-refused"),
            ("HttpResponseTimeout", http.Timeout, "HTTP-response-timeout"),
            ("HttpResponseBodySize", http.TooLarge, "HTTP-response-body-size"),
            ("HttpProtocolError", http.ProtocolError, "HTTP-protocol-error"),
            ("HttpRequestUriInvalid", http.InvalidRequest, "HTTP-request-URI-invalid"),
            ("SomethingNew", http.RequestException, "SomethingNew"),
        ):
            for answer in (Err(case(name)), case(name), (200, [], [b"a", case(name)])):
                with self.subTest(name), self.assertRaises(kind) as caught:
                    World.answers["/x"] = answer
                    _ = self.send(data=b"x").content
                self.assertEqual(caught.exception.code, code)
                self.nothing_lives()

    def test_a_header_that_is_the_hosts_is_refused_and_a_broken_one_named(self):
        with self.assertRaises(http.Refused):
            self.send(headers={"Authorization": "x"})
        with self.assertRaises(http.InvalidRequest):
            self.send(headers={"x": "a\nb"})
        with self.assertRaises(http.InvalidRequest):
            self.send(headers={"x": "€"})
        self.assertEqual(World.asked, [])

    def requests(self, count, **how):
        for index in range(count):
            World.answers.setdefault(f"/{index}", (200, [], [b"", str(index).encode()]))
        return [(index, http.Request("GET", f"http://a.test/{index}", **how).prepare()) for index in range(count)]

    def test_several_are_in_flight_and_no_more_than_asked(self):
        got = dict(self.wasi.send_each(self.requests(10), 4))
        self.assertEqual([got[index].content for index in range(10)], [str(index).encode() for index in range(10)])
        self.assertEqual((World.most, World.under_way), (4, 0))
        self.nothing_lives()

    def test_those_that_find_no_room_are_sent_again(self):
        World.room = 2
        got = dict(self.wasi.send_each(self.requests(7), 5))
        self.assertEqual([got[index].content for index in range(7)], [str(index).encode() for index in range(7)])
        self.assertEqual(World.most, 2)
        self.nothing_lives()

    def test_with_nothing_in_flight_there_is_no_room_to_wait_for(self):
        World.room = 0
        got = dict(self.wasi.send_each(self.requests(2), 5))
        self.assertEqual([one.code for one in got.values()], ["connection-limit-reached"] * 2)

    def test_one_that_is_late_holds_up_no_other(self):
        World.answers.update({"/0": "never", "/1": (200, [], [b"a", "never"]), "/2": case("HttpRequestDenied")})
        got = dict(self.wasi.send_each(self.requests(4, timeout=1), 8))
        self.assertEqual([type(got[index]).__name__ for index in range(4)], ["Timeout", "Timeout", "Refused", "Response"])
        self.nothing_lives()


if __name__ == "__main__":
    unittest.main()

;; An endless chain of tail calls.
(component
  (core module $m
    (func $again (export "run") (result i32) (return_call $again)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $out (export "run" (func $run)))
  (export "wasi:cli/run@0.2.12" (instance $out)))

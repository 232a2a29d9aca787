;; Imports a version of WASI that this host does not serve.
(component
  (import "wasi:clocks/monotonic-clock@0.3.0" (instance (export "now" (func (result u64)))))
  (core module $m (func (export "run") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $out (export "run" (func $run)))
  (export "wasi:cli/run@0.2.12" (instance $out)))

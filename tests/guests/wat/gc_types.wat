;; Objects of the garbage collector.
(component
  (core module $m
    (type $node (struct (field (mut (ref null $node)))))
    (func (export "run") (result i32)
      (local (ref null $node))
      (loop (local.set 0 (struct.new $node (local.get 0))) (br 0))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $out (export "run" (func $run)))
  (export "wasi:cli/run@0.2.12" (instance $out)))

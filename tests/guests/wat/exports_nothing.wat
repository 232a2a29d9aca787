;; Exports no function that could be called.
(component
  (core module $m (func (export "run") (result i32) (i32.const 0)))
  (core instance (instantiate $m)))
